use super::*;

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), wall: WallTime((1_795_737_600 + seconds) * 1_000_000) }
}

fn well() -> Seen {
    let ready = SeenDevice { state: DeviceState::Ready, cause: None };
    Seen {
        terminal: TerminalState::Ready,
        cause: None,
        reader: ready,
        keypad: ready,
        scanner: None,
        firmware: "1.6".to_owned(),
        keys: true,
        waiting: 0,
        held: 0,
        reversals: 0,
    }
}

fn cut_off() -> Seen {
    Seen { terminal: TerminalState::SigningIn, cause: Some(Cause::N05), waiting: 2, ..well() }
}

fn fresh() -> Chronicle {
    Chronicle::new(Machine { program: (0, 2, 0), kernel: (6, 12), system: 13 }, [])
}

/// Lets a fault stand for a minute and be over.
fn stand(chronicle: &mut Chronicle, from: u64, seen: Seen) {
    chronicle.observe(at(from), seen);
    chronicle.expire(at(from + 10));
    chronicle.observe(at(from + 60), well());
}

#[test]
fn a_fault_that_stands_is_noted_with_the_time_it_began_and_a_code() {
    let mut chronicle = fresh();
    chronicle.observe(at(0), well());
    chronicle.observe(at(100), cut_off());
    assert_eq!(chronicle.deadline(), Some(at(110).mono));
    chronicle.expire(at(109));
    assert!(chronicle.notes().is_empty() && chronicle.take_news().is_none());
    chronicle.expire(at(110));
    let [note] = chronicle.notes().try_into().unwrap();
    assert_eq!((note.at, note.cause, note.times, note.active), (at(100).wall, Cause::N05, 1, true));
    assert_eq!(chronicle.take_news().unwrap().len(), 1);
    assert!(chronicle.take_news().is_none());
    let code = ShortCode::decode(&note.code).unwrap();
    assert_eq!(code.cause.unwrap().cause(), Some(Cause::N05));
    assert_eq!((code.terminal, code.waiting, code.kernel), (Some(TerminalState::SigningIn), 2, (6, 12)));
    assert!(
        code.made().any(|row| row == ("acquirer", Probed::Bad)) && code.made().any(|row| row == ("keys", Probed::Good))
    );
    chronicle.observe(at(200), well());
    assert!(!chronicle.notes()[0].active);
    assert_eq!(chronicle.deadline(), None);
}

#[test]
fn what_mends_itself_or_needs_nobody_is_not_noted() {
    let mut chronicle = fresh();
    chronicle.observe(at(0), well());
    chronicle.observe(at(1), cut_off());
    chronicle.observe(at(9), well());
    chronicle.expire(at(30));
    chronicle.observe(at(40), Seen { cause: Some(Cause::B01), ..cut_off() });
    chronicle.expire(at(100));
    let silent = SeenDevice { state: DeviceState::Ready, cause: Some(Cause::H03) };
    chronicle.observe(at(110), Seen { reader: silent, ..well() });
    chronicle.expire(at(200));
    assert!(chronicle.notes().is_empty());
}

#[test]
fn a_fault_that_comes_and_goes_is_one_note() {
    let mut chronicle = fresh();
    chronicle.observe(at(0), well());
    for round in 0..5 {
        stand(&mut chronicle, 100 + round * 600, cut_off());
    }
    let [note] = chronicle.notes().try_into().unwrap();
    assert_eq!(note.times, 5);
    stand(&mut chronicle, 100_000, cut_off());
    assert_eq!(chronicle.notes().len(), 2, "much later it is another one");
}

#[test]
fn two_faults_at_once_are_two_notes() {
    let mut chronicle = fresh();
    let gone = SeenDevice { state: DeviceState::Absent, cause: Some(Cause::H01) };
    stand(&mut chronicle, 10, Seen { reader: gone, ..cut_off() });
    let causes: Vec<_> = chronicle.notes().iter().map(|note| note.cause).collect();
    assert_eq!(causes, [Cause::N05, Cause::H01]);
}

#[test]
fn what_is_kept_is_bounded_and_the_newest() {
    let mut chronicle = fresh();
    chronicle.observe(at(0), well());
    for round in 0..40u64 {
        stand(&mut chronicle, 10_000 * (round + 1), cut_off());
    }
    let notes = chronicle.notes();
    assert_eq!((notes.len(), chronicle.moments().len()), (MAX_NOTES, MAX_MOMENTS));
    assert_eq!(notes.last().unwrap().at, at(400_000).wall);
    let again = Chronicle::new(Machine::default(), notes.clone());
    assert_eq!(again.notes(), notes);
}

#[test]
fn payments_are_no_changes_but_faults_are() {
    let mut chronicle = fresh();
    chronicle.observe(at(0), well());
    chronicle.observe(at(1), Seen { terminal: TerminalState::Busy, ..well() });
    chronicle.observe(at(2), well());
    assert!(chronicle.moments().is_empty());
    chronicle.observe(at(3), cut_off());
    let [moment] = chronicle.moments().try_into().unwrap();
    assert_eq!(
        (moment.part, moment.old, moment.new, moment.cause),
        ("terminal", "ready", "signing-in", Some(Cause::N05))
    );
}

#[test]
fn versions_are_read_as_far_as_they_are_numbers() {
    assert_eq!(two_numbers("6.12.48+deb13-amd64"), (6, 12));
    assert_eq!(two_numbers("6.1-rc1"), (6, 1));
    assert_eq!(two_numbers("unknown"), (0, 0));
    assert_eq!(firmware("1.6"), (1, 6));
    assert_eq!(firmware("99.1"), (0, 0));
}
