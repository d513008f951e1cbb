use proptest::prelude::*;

use super::*;

/// One that says something in every place.
fn full() -> ShortCode {
    let mut code = ShortCode {
        at: WallTime(1_795_737_600_000_000),
        cause: Some(Cause::N05.into()),
        terminal: Some(TerminalState::SigningIn),
        reader: DevicePart { state: Some(DeviceState::Failed), cause: Some(Cause::H02.into()) },
        keypad: DevicePart { state: Some(DeviceState::Ready), cause: None },
        program: (0, 2, 0),
        firmware: (1, 6),
        kernel: (6, 12),
        system: 13,
        waiting: 3,
        held: 1,
        reversals: 0,
        ..ShortCode::default()
    };
    for name in ["link", "address", "gateway", "names", "control", "clock", "storage"] {
        code.probe(name, Probed::Good);
    }
    code.probe("acquirer", Probed::Bad);
    code.probe("host", Probed::NotPossible);
    code
}

/// Codes that were given out. They must be read for ever: add new ones, never change these.
const GOLDEN: [(&str, &str); 2] = [
    ("25TGP-402Q0-92FGF-5AGHT-GA00S-805HY-GR39D-H0FGG", "N05"),
    ("25TGP-42J1Y-92FGF-5AGHT-GA00S-805HY-GR39D-H0H5C", "K04"),
];

#[test]
fn old_codes_are_still_read() {
    for (code, cause) in GOLDEN {
        let read = ShortCode::decode(code).unwrap();
        assert_eq!(read.cause.map(|c| c.to_string()).unwrap_or_default(), cause, "{code}");
        assert_eq!(read.encode(), code);
    }
}

#[test]
fn a_code_has_room_on_a_line_and_says_what_was_put_in() {
    let code = full().encode();
    assert!(code.len() <= 60, "{code}");
    assert_eq!(ShortCode::decode(&code), Ok(full()));
    assert_eq!(code, GOLDEN[0].0);
    assert_eq!(ShortCode::decode(&ShortCode::default().encode()), Ok(ShortCode::default()));
}

#[test]
fn every_cause_keeps_its_word() {
    for cause in Cause::ALL {
        let code = CauseCode::from(*cause);
        assert_eq!(code.to_string(), cause.as_str());
        assert_eq!(code.cause(), Some(*cause));
        let read = ShortCode::decode(&ShortCode { cause: Some(code), ..full() }.encode()).unwrap();
        assert_eq!(read.cause, Some(code));
    }
}

#[test]
fn every_state_has_a_place() {
    for state in TerminalState::ALL {
        let code = ShortCode { terminal: Some(*state), ..full() };
        assert_eq!(ShortCode::decode(&code.encode()).unwrap().terminal, Some(*state));
    }
    for state in DeviceState::ALL {
        let code = ShortCode { keypad: DevicePart { state: Some(*state), cause: None }, ..full() };
        assert_eq!(ShortCode::decode(&code.encode()).unwrap().keypad.state, Some(*state));
    }
}

#[test]
fn a_wrong_code_names_what_to_check() {
    let good = full().encode();
    let groups: Vec<&str> = good.split('-').collect();
    assert!(matches!(ShortCode::decode(""), Err(CodeError::Length { found: 0, wanted: 40, missing: None })));
    let mut short = groups.clone();
    short.remove(3);
    let missing = CodeError::Length { found: 35, wanted: 40, missing: Some(4) };
    assert_eq!(ShortCode::decode(&short.join("-")), Err(missing));
    let mut swapped = groups.clone();
    swapped.swap(1, 6);
    assert_eq!(ShortCode::decode(&swapped.join("-")), Err(CodeError::Groups(vec![2, 7])));
    let newer = symbols::write(&[[false, false, true, false].as_slice(), &[true; 156]].concat());
    assert_eq!(ShortCode::decode(&newer), Err(CodeError::Newer { version: 2 }));
    // Groups of two codes, each in its place: only the whole tells.
    let other = ShortCode { waiting: 500, cause: Some(Cause::K04.into()), ..full() }.encode();
    let mixed: Vec<&str> =
        groups.iter().zip(other.split('-')).enumerate().map(|(i, (a, b))| if i == 1 { b } else { a }).collect();
    assert_eq!(ShortCode::decode(&mixed.join("-")), Err(CodeError::Mixed));
}

fn any_cause() -> impl Strategy<Value = Option<CauseCode>> {
    proptest::option::of((0u8..7, 0u8..32).prop_map(|(letter, number)| CauseCode { letter, number }))
}

fn any_device() -> impl Strategy<Value = DevicePart> {
    let state = proptest::option::of(proptest::sample::select(DEVICE.to_vec()));
    (state, any_cause()).prop_map(|(state, cause)| DevicePart { state, cause })
}

fn any_code() -> impl Strategy<Value = ShortCode> {
    let parts =
        (any_cause(), proptest::option::of(proptest::sample::select(TERMINAL.to_vec())), any_device(), any_device());
    let probes = proptest::array::uniform16(proptest::sample::select(Probed::ALL.to_vec()));
    let versions = ((0u8..16, 0u8..64, 0u8..64), (0u8..16, 0u8..16), (0u8..32, 0u8..128), any::<u8>());
    let counts = proptest::array::uniform3(proptest::sample::select(STEPS.to_vec()));
    (0u64..1 << 24, parts, probes, versions, counts).prop_map(|(minutes, parts, probes, versions, counts)| ShortCode {
        at: WallTime((minutes + EPOCH) * MINUTE),
        cause: parts.0,
        terminal: parts.1,
        reader: parts.2,
        keypad: parts.3,
        probes,
        program: versions.0,
        firmware: versions.1,
        kernel: versions.2,
        system: versions.3,
        waiting: counts[0],
        held: counts[1],
        reversals: counts[2],
    })
}

proptest! {
    #[test]
    fn whatever_is_said_is_read_back(code in any_code()) {
        let written = code.encode();
        prop_assert!(written.len() == 47);
        prop_assert_eq!(ShortCode::decode(&written), Ok(code));
    }

    #[test]
    fn nothing_that_is_typed_makes_it_panic(text in "\\PC{0,80}") {
        let _ = ShortCode::decode(&text);
    }

    #[test]
    fn one_misread_symbol_is_never_taken_for_another_code(code in any_code(), at in 0usize..40, by in 1u8..32) {
        let written = code.encode();
        let mut symbols = symbols::symbols(&written).unwrap();
        symbols[at] = (symbols[at] + by) % 32;
        prop_assert_eq!(symbols::misread(&symbols), vec![at / GROUP + 1]);
    }

    #[test]
    fn counts_are_never_said_too_high(count in any::<u32>()) {
        let read = ShortCode::decode(&ShortCode { waiting: count, ..full() }.encode()).unwrap();
        prop_assert!(read.waiting <= count);
    }
}
