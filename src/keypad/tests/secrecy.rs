//! What was typed does not come out: by type, and under random streams of keys.

use std::marker::PhantomData;

use proptest::prelude::*;

use super::*;
use crate::keypad::contacts::{ContactEvent, ContactReport, Contacts};
use crate::keypad::digits::SecretDigits;
use crate::keypad::entry::EntryEvent;
use crate::keypad::pin::PinEntry;
use crate::keypad::{Key, Keymap};

/// `PRINTS` is true exactly for types with `Debug`: the inherent constant wins over the trait's.
struct Probe<T>(PhantomData<T>);
trait Silent {
    const PRINTS: bool = false;
}
impl<T> Silent for Probe<T> {}
impl<T: std::fmt::Debug> Probe<T> {
    const PRINTS: bool = true;
}

#[test]
fn nothing_that_carries_digits_can_be_printed() {
    const { assert!(Probe::<TimeLimits>::PRINTS, "the probe sees a Debug where there is one") };
    let silent = [
        Probe::<Event>::PRINTS,
        Probe::<Output>::PRINTS,
        Probe::<Entry>::PRINTS,
        Probe::<EntryEvent>::PRINTS,
        Probe::<Key>::PRINTS,
        Probe::<Keymap>::PRINTS,
        Probe::<Keypad>::PRINTS,
        Probe::<PinEntry>::PRINTS,
        Probe::<Contacts>::PRINTS,
        Probe::<ContactEvent>::PRINTS,
        Probe::<ContactReport>::PRINTS,
        Probe::<SecretDigits>::PRINTS,
    ];
    assert!(silent.iter().all(|prints| !prints));
}

#[derive(Clone, Debug)]
enum Move {
    Tap(u16),
    Change(u16, i32, u64),
    Pass(u64),
    Lost(Vec<u16>),
    Closed,
    Opened(Vec<u16>),
    Start(u8),
    Stop,
}

fn code() -> impl Strategy<Value = u16> {
    prop_oneof![
        6 => proptest::sample::select(KP.to_vec()),
        2 => proptest::sample::select(vec![ENTER, BACKSPACE, CLEAR, DOT, KEY_A, 48, 0x205, 0x20b]),
        1 => Just(ESC),
        1 => any::<u16>(),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        12 => code().prop_map(Move::Tap),
        12 => (code(), -1..4i32, 0..80_000u64).prop_map(|(code, value, later)| Move::Change(code, value, later)),
        3 => (0..30_000u64).prop_map(Move::Pass),
        1 => proptest::collection::vec(code(), 0..4).prop_map(Move::Lost),
        1 => Just(Move::Closed),
        2 => proptest::collection::vec(code(), 0..4).prop_map(Move::Opened),
        4 => (0..5u8).prop_map(Move::Start),
        1 => Just(Move::Stop),
    ];
    proptest::collection::vec(one, 0..120)
}

/// Which outputs an entry of this number may make, by its nature.
fn allowed(entry: Option<u8>, output: &Output) -> bool {
    match output {
        Output::StateChanged(..) | Output::Failed(_) => true,
        Output::Cancelled | Output::TimedOut => entry.is_some(),
        Output::CancelPressed => entry.is_none(),
        Output::Progress { .. } | Output::Cleared { .. } => entry.is_some_and(|entry| entry != 1),
        Output::Confirmed => entry == Some(1),
        Output::PinEntered(block) => entry == Some(0) && block.0 == BLOCK,
        Output::PinBypassed => entry == Some(0),
        Output::NumberEntered(_) => entry == Some(2),
        Output::PasswordEntered(_) => entry == Some(3),
        Output::ComponentEntered(_) => entry == Some(4),
    }
}

proptest! {
    /// Whatever happens, there is no panic, no endless wake-up, and an entry says only what its kind may say: during
    /// PIN entry that is counts and the block. One entry has at most one end.
    #[test]
    fn random_streams_make_no_output_that_the_entry_may_not_make(moves in moves()) {
        let mut desk = Desk::new();
        let mut entry = None;
        for step in moves {
            match step {
                Move::Tap(code) => desk.tap(code),
                Move::Change(code, value, later) => {
                    desk.now = Instant(desk.now.0 + later);
                    desk.change(code, value);
                }
                Move::Pass(millis) => desk.pass(millis),
                Move::Lost(keys_down) => desk.handle(Event::SynDropped { keys_down }),
                Move::Closed => desk.handle(Event::Closed),
                Move::Opened(keys_down) => desk.handle(Event::Opened { name: String::new(), keys_down }),
                Move::Stop => {
                    desk.handle(Event::Stop);
                    entry = None;
                }
                Move::Start(kind) => {
                    entry = Some(kind);
                    desk.start(match kind {
                        0 => desk.pin(true),
                        1 => Entry::ConfirmAmount,
                        2 => Entry::Number { max: 6 },
                        3 => Entry::Password,
                        _ => Entry::Component,
                    });
                }
            }
            while let Some(output) = desk.keypad.poll() {
                prop_assert!(allowed(entry, &output), "{} during {entry:?}", output.word());
                if output.ends_entry() {
                    prop_assert!(entry.is_some());
                    entry = None;
                }
            }
        }
        for pin in desk.pins() {
            prop_assert!((4..=6).contains(&pin.len()) && pin.iter().all(|digit| *digit <= 9));
        }
    }

    /// With clean presses the cipher gets what a plain model of the keys says, and no output shows it.
    #[test]
    fn the_cipher_gets_exactly_what_was_typed_and_nobody_else_does(codes in proptest::collection::vec(0..14u8, 1..40)) {
        let mut desk = Desk::open();
        desk.start(desk.pin(false));
        let mut model: Vec<u8> = Vec::new();
        let mut shown = Vec::new();
        for code in codes.into_iter().chain([12, 1, 3, 5, 7, 9, 10]) {
            let key = match code {
                digit @ 0..=9 => {
                    if model.len() < 6 { model.push(digit) }
                    KP[usize::from(digit)]
                }
                10 => ENTER,
                11 => { model.pop(); BACKSPACE }
                12 => { model.clear(); CLEAR }
                _ => DOT,
            };
            desk.tap(key);
            shown.extend(desk.said());
            if code == 10 && model.len() >= 4 { break }
        }
        prop_assert_eq!(desk.pins(), vec![model]);
        for line in shown {
            let counts_only = line.strip_prefix("digits ").is_some_and(|n| n.parse::<u8>().is_ok_and(|n| n <= 6));
            prop_assert!(counts_only || ["state active", "cleared key", "pin b1", "state ready"].contains(&line.as_str()));
        }
    }
}
