//! On a made-up line: this machine may have none.

use std::collections::VecDeque;

use super::*;

/// Levels and edges in their order; what is not foreseen fails.
#[derive(Default)]
struct Script {
    levels: VecDeque<Result<bool, String>>,
    edges: VecDeque<Result<bool, String>>,
    waits: Vec<Duration>,
}

impl Watched for &mut Script {
    fn is_high(&mut self) -> Result<bool, String> {
        self.levels.pop_front().unwrap()
    }

    fn edge(&mut self, within: Duration) -> Result<bool, String> {
        self.waits.push(within);
        self.edges.pop_front().unwrap()
    }
}

fn settings(active_high: bool) -> Settings {
    let line = LineName { name: "GPIO21".to_owned(), setting: "tamper.line" };
    Settings { line, active_high, devices: "/dev".into() }
}

#[test]
fn the_level_that_means_open_is_the_configured_one() {
    for (active_high, high, wanted) in [
        (true, true, TamperReading::Active),
        (true, false, TamperReading::Quiet),
        (false, false, TamperReading::Active),
        (false, true, TamperReading::Quiet),
    ] {
        let mut script = Script { levels: [Ok(high)].into(), ..Script::default() };
        let mut line = Some(&mut script);
        let mut watch = Watch::new(settings(active_high), || Ok(line.take().unwrap()));
        assert_eq!(watch.look(), wanted);
    }
}

#[test]
fn a_level_counts_when_it_has_stayed_and_is_told_once() {
    let mut script = Script {
        levels: [Ok(false), Ok(true), Ok(true), Ok(false)].into(),
        edges: [Ok(true), Ok(true), Ok(false), Ok(false), Ok(true), Ok(false)].into(),
        ..Script::default()
    };
    {
        let mut line = Some(&mut script);
        let mut watch = Watch::new(settings(true), || Ok(line.take().unwrap()));
        assert_eq!(watch.look(), TamperReading::Quiet);
        assert_eq!(watch.next(), Some(TamperReading::Active), "after a bounce");
        assert_eq!(watch.next(), None, "the look of the second finds the same");
        assert_eq!(watch.next(), Some(TamperReading::Quiet));
    }
    assert_eq!(script.waits, [LOOK_EVERY, SETTLED, SETTLED, LOOK_EVERY, LOOK_EVERY, SETTLED]);
}

#[test]
fn a_line_that_never_rests_is_read_all_the_same() {
    let mut script = Script { levels: [Ok(false), Ok(true)].into(), ..Script::default() };
    script.edges = std::iter::repeat_n(Ok(true), 1 + MOST_BOUNCES as usize).collect();
    let mut line = Some(&mut script);
    let mut watch = Watch::new(settings(true), || Ok(line.take().unwrap()));
    watch.look();
    assert_eq!(watch.next(), Some(TamperReading::Active));
}

#[test]
fn a_dead_line_is_named_and_opened_anew() {
    let mut dead = Script {
        levels: [Ok(false), Err("no such device".to_owned())].into(),
        edges: [Ok(false)].into(),
        ..Script::default()
    };
    let mut fresh = Script { levels: [Ok(true)].into(), ..Script::default() };
    let mut lines: VecDeque<&mut Script> = [&mut dead, &mut fresh].into();
    let mut watch = Watch::new(settings(true), || Ok(lines.pop_front().unwrap()));
    assert_eq!(watch.look(), TamperReading::Quiet);
    let Some(TamperReading::Unreadable(why)) = watch.next() else { panic!("a dead line was read") };
    assert!(why.contains("\"GPIO21\" (tamper.line)") && why.contains("no such device"), "{why}");
    assert_eq!(watch.look(), TamperReading::Active);
}

#[test]
fn a_line_that_cannot_be_waited_for_is_opened_anew_and_read() {
    let mut deaf =
        Script { levels: [Ok(false)].into(), edges: [Err("no such device".to_owned())].into(), ..Script::default() };
    let mut fresh = Script { levels: [Ok(true)].into(), ..Script::default() };
    let mut lines: VecDeque<&mut Script> = [&mut deaf, &mut fresh].into();
    let mut watch = Watch::new(settings(true), || Ok(lines.pop_front().unwrap()));
    assert_eq!(watch.look(), TamperReading::Quiet);
    assert_eq!(watch.next(), Some(TamperReading::Active));
}

#[test]
fn a_line_that_is_not_there_is_unreadable_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let (sender, mut readings) = mpsc::channel(1);
    let settings = Settings { devices: directory.path().into(), ..settings(true) };
    let TamperReading::Unreadable(why) = start(settings, sender).unwrap() else { panic!("there is no line") };
    assert!(why.contains("remove tamper.line"), "{why}");
    readings.close();
}
