use super::*;
use crate::reader::pn532::fake::{FakeChip, text};

/// The link and a chip in virtual time.
struct Rig {
    link: Link,
    chip: FakeChip,
    now: Instant,
    /// Everything the link put out, as words.
    log: Vec<String>,
    /// Reopen is followed by closing and opening at once.
    reopens: bool,
}

fn word(output: &Output) -> String {
    match output {
        Output::Write(b) if b.expose() == frame::ACK => "stop".into(),
        Output::Write(b) if b.expose() == frame::NACK => "nack".into(),
        Output::Write(b) if b.expose() == frame::WAKE_UP => "wake".into(),
        Output::Write(b) => format!("write {}", text(b.expose())),
        Output::SetBaud(rate) => format!("baud {rate}"),
        Output::Reopen => "reopen".into(),
        Output::PulseReset => "pulse reset".into(),
        Output::PowerCycle => "power cycle".into(),
        Output::Up(firmware) => format!("up {firmware}"),
        Output::Answered(_) => "answered".into(),
        Output::Refused => "refused".into(),
        Output::Lost => "lost".into(),
        Output::Down => "down".into(),
        Output::Gone => "gone".into(),
    }
}

impl Rig {
    fn new(settings: LinkSettings) -> Self {
        let rig = Self {
            link: Link::new(settings),
            chip: FakeChip::default(),
            now: Instant(0),
            log: Vec::new(),
            reopens: true,
        };
        rig.open()
    }

    fn open(mut self) -> Self {
        self.chip.host_rate = 115_200;
        self.link.handle(self.now, Event::Opened);
        self
    }

    /// Delivers everything until the link wants time to pass.
    fn settle(&mut self) {
        while let Some(output) = self.link.poll() {
            self.log.push(word(&output));
            match output {
                Output::Write(bytes) => {
                    self.now = self.now.after(Duration::from_micros(500));
                    let reply = self.chip.written(bytes.expose());
                    if !reply.is_empty() {
                        self.link.handle(self.now, Event::Received(SecretBytes::new(reply)));
                    }
                }
                Output::SetBaud(rate) => self.chip.host_rate = rate,
                Output::PulseReset | Output::PowerCycle => self.chip.reset(),
                Output::Reopen => {
                    self.link.handle(self.now, Event::Closed);
                    if self.reopens {
                        self.chip.host_rate = 115_200;
                        self.link.handle(self.now, Event::Opened);
                    }
                }
                Output::Up(_) | Output::Answered(_) | Output::Refused | Output::Lost | Output::Down | Output::Gone => {}
            }
        }
    }

    /// Runs for so long, or until nothing is due any more.
    fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.settle();
        let mut steps = 0;
        while let Some(due) = self.link.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.link.expire(self.now);
            self.settle();
            steps += 1;
            assert!(steps < 5_000, "the link spins");
        }
        self.now = end;
    }

    fn command(&mut self, command: Command) {
        self.link.handle(self.now, Event::CommandGiven(command));
        self.run(Duration::from_secs(5));
    }

    fn heard(&self) -> Vec<String> {
        self.chip.heard.iter().map(|b| text(b)).collect()
    }
}

fn at_base() -> LinkSettings {
    LinkSettings { raise_to: None, ..LinkSettings::default() }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_chip_is_brought_up_in_the_recorded_order() {
    let mut rig = Rig::new(at_base());
    rig.run(SECOND);
    insta::assert_snapshot!(rig.log.join("\n"), @r"
    wake
    write 0000FF03FDD414011700
    write 0000FF02FED4022A00
    write 0000FF03FDD412140600
    write 0000FF06FAD43205FF0102F300
    up 1.6
    ");
    assert_eq!(rig.link.deadline(), None, "an idle link must not wake anybody");
}

#[test]
fn the_rate_is_raised_by_an_ack_at_the_old_rate_and_proved_by_an_echo() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.run(SECOND);
    assert_eq!(
        rig.log[5..],
        ["write 0000FF03FDD410061600", "stop", "baud 460800", "write 0000FF0BF5D4000000FF55AA0FF033CC3000", "up 1.6"]
    );
    assert_eq!((rig.chip.rate, rig.link.state()), (460_800, "up"));
}

#[test]
fn a_rate_that_does_not_work_is_left_and_not_tried_again() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.chip.bad_rate = Some(460_800);
    rig.run(Duration::from_secs(20));
    // The chip has switched and cannot be understood: only its reset would help, which this rig lacks.
    assert_ne!(rig.link.state(), "up");
    rig.chip.reset();
    rig.run(Duration::from_secs(60));
    assert_eq!((rig.link.state(), rig.chip.rate), ("up", 115_200));
    assert_eq!(rig.heard().iter().filter(|h| h.starts_with("D410")).count(), 1);
}

#[test]
fn with_a_reset_line_a_bad_rate_heals_itself() {
    let ladder = LadderSettings { reset_line: true, ..LadderSettings::default() };
    let mut rig = Rig::new(LinkSettings { ladder, ..LinkSettings::default() });
    rig.chip.bad_rate = Some(460_800);
    rig.run(Duration::from_secs(20));
    assert_eq!((rig.link.state(), rig.chip.rate), ("up", 115_200));
    assert!(rig.log.contains(&"pulse reset".to_owned()));
}

#[test]
fn a_chip_that_knows_no_other_rate_is_used_at_the_base_rate() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.chip.refuses = vec![0x10];
    rig.run(SECOND);
    assert_eq!((rig.link.state(), rig.chip.rate), ("up", 115_200));
}

#[test]
fn a_chip_left_at_the_raised_rate_is_found_there() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.chip.rate = 460_800;
    rig.run(SECOND);
    assert_eq!((rig.link.state(), rig.chip.rate), ("up", 460_800));
    assert!(!rig.heard().iter().any(|h| h.starts_with("D410")), "it need not be changed");
}

#[test]
fn a_noisy_raised_line_falls_back_before_the_next_command() {
    let mut rig = Rig::new(LinkSettings::default());
    rig.run(SECOND);
    // Every third byte string loses a bit while the line is fast.
    for _ in 0..6 {
        let mut first = true;
        rig.chip.damage = Some(Box::new(move |bytes| {
            if std::mem::take(&mut first)
                && let Some(b) = bytes.get_mut(14)
            {
                *b ^= 0x08;
            }
        }));
        rig.command(Command::GetFirmwareVersion);
    }
    assert!(rig.link.noisy());
    rig.chip.damage = None;
    rig.log.clear();
    rig.command(Command::GetFirmwareVersion);
    assert_eq!(rig.chip.rate, 115_200);
    assert_eq!(rig.log.last().map(String::as_str), Some("answered"), "the command waited for the change");
    assert!(!rig.log.iter().any(|w| w.starts_with("up") || w == "lost"), "nobody above noticed: {:?}", rig.log);
    assert!(!rig.link.noisy());
    assert_eq!(rig.link.statistics().rate_fallbacks, 1);
}

#[test]
fn a_mute_chip_climbs_the_ladder_and_is_found_when_it_comes_back() {
    let ladder = LadderSettings { reset_line: true, power_switch: true, ..LadderSettings::default() };
    let mut rig = Rig::new(LinkSettings { ladder, ..at_base() });
    rig.chip.powered = false;
    rig.run(Duration::from_secs(10));
    let rungs: Vec<_> = rig.log.iter().filter(|w| !w.starts_with("write") && *w != "stop").cloned().collect();
    let first_round = [
        "wake",
        "wake",
        "wake",
        "down",
        "reopen",
        "wake",
        "wake",
        "pulse reset",
        "wake",
        "wake",
        "power cycle",
        "wake",
        "wake",
    ];
    assert_eq!(rungs[..first_round.len()], first_round);
    assert_eq!(rungs.iter().filter(|w| *w == "down").count(), 1, "said once");
    rig.chip.powered = true;
    rig.log.clear();
    rig.run(Duration::from_secs(31));
    assert_eq!(rig.log.last().map(String::as_str), Some("up 1.6"));
}

#[test]
fn a_chip_that_stays_mute_costs_few_wakeups() {
    let mut rig = Rig::new(at_base());
    rig.chip.powered = false;
    rig.run(Duration::from_secs(120));
    rig.log.clear();
    rig.run(Duration::from_secs(600));
    let wakes = rig.log.iter().filter(|w| *w == "wake").count();
    assert!((50..=120).contains(&wakes), "{wakes} wake-ups in ten minutes");
}

#[test]
fn a_chip_that_falls_silent_in_use_is_woken_again() {
    let mut rig = Rig::new(at_base());
    rig.run(SECOND);
    rig.log.clear();
    rig.chip.powered = false;
    rig.link.handle(rig.now, Event::CommandGiven(Command::GetFirmwareVersion));
    rig.run(Duration::from_millis(330));
    let told: Vec<_> = rig.log.iter().filter(|w| matches!(w.as_str(), "lost" | "wake")).cloned().collect();
    assert_eq!(told, ["lost", "wake"]);
    rig.chip.powered = true;
    rig.run(SECOND);
    assert_eq!(rig.log.last().map(String::as_str), Some("up 1.6"));
    assert!(!rig.log.contains(&"down".to_owned()));
}

#[test]
fn a_port_that_does_not_come_back_is_gone_and_a_new_one_is_a_fresh_start() {
    let mut rig = Rig::new(at_base());
    rig.chip.powered = false;
    rig.reopens = false;
    rig.run(Duration::from_secs(10));
    assert_eq!((rig.log.last().map(String::as_str), rig.link.state()), (Some("gone"), "closed"));
    assert_eq!(rig.link.deadline(), None);
    rig.chip.powered = true;
    let mut rig = rig.open();
    rig.run(SECOND);
    assert_eq!(rig.link.state(), "up");
}

#[test]
fn unplugging_at_any_step_of_the_start_is_survived() {
    for steps in 0..12 {
        let mut rig = Rig::new(LinkSettings::default());
        for _ in 0..steps {
            if let Some(Output::Write(bytes)) = rig.link.poll() {
                let reply = rig.chip.written(bytes.expose());
                rig.link.handle(rig.now, Event::Received(SecretBytes::new(reply)));
            } else if let Some(due) = rig.link.deadline() {
                rig.now = due;
                rig.link.expire(due);
            }
        }
        rig.link.handle(rig.now, Event::Closed);
        rig.settle();
        assert_eq!((rig.link.state(), rig.log.last().map(String::as_str)), ("closed", Some("gone")), "step {steps}");
        rig.chip = FakeChip::default();
        let mut rig = rig.open();
        rig.run(Duration::from_secs(2));
        assert_eq!(rig.link.state(), "up", "step {steps}");
    }
}

/// Every state, made by the shortest way there.
fn states() -> Vec<Link> {
    let ladder = LadderSettings { reset_line: true, ..LadderSettings::default() };
    let settings = LinkSettings { ladder, ..LinkSettings::default() };
    let up = |link: &mut Link| {
        let mut rig = Rig::new(settings);
        rig.run(SECOND);
        std::mem::swap(link, &mut rig.link);
    };
    let wanted = ["closed", "waking", "starting", "changing-rate", "up", "reopening", "resetting", "resting"];
    let mut all: Vec<Link> = wanted.iter().map(|_| Link::new(settings)).collect();
    all[1].opened(Instant(0));
    all[2].opened(Instant(0));
    all[2].expire(Instant(10_000));
    up(&mut all[3]);
    all[3].change_rate(Instant(0), BASE_RATE, None);
    up(&mut all[4]);
    for (index, rung) in [(5, Rung::Reopen), (6, Rung::Reset), (7, Rung::Rest)] {
        up(&mut all[index]);
        all[index].say_lost();
        all[index].ladder.jump(rung);
        all[index].take_rung(Instant(0));
    }
    for (link, name) in all.iter_mut().zip(wanted) {
        while link.poll().is_some() {}
        assert_eq!(link.state(), name);
    }
    all
}

#[test]
fn the_transition_table_is_as_reviewed() {
    let events = || {
        [
            ("Opened", Event::Opened),
            ("Closed", Event::Closed),
            ("Received(noise)", Event::Received(SecretBytes::new(vec![0x13, 0x37]))),
            ("CommandGiven", Event::CommandGiven(Command::GetFirmwareVersion)),
            ("Aborted", Event::Aborted),
            ("ResetAsked", Event::ResetAsked),
            ("PowerCycleAsked", Event::PowerCycleAsked),
        ]
    };
    let mut table = String::new();
    for index in 0..states().len() {
        for (name, event) in events() {
            let mut link = states().swap_remove(index);
            let before = link.state();
            link.handle(Instant(1_000_000), event);
            let done: Vec<_> = std::iter::from_fn(|| link.poll()).map(|o| word(&o)).collect();
            let line = format!("{before:<14}{name:<17}-> {:<14}{}", link.state(), done.join(", "));
            table.push_str(line.trim_end());
            table.push('\n');
        }
        let mut link = states().swap_remove(index);
        let before = link.state();
        if let Some(due) = link.deadline() {
            link.expire(due);
            let done: Vec<_> = std::iter::from_fn(|| link.poll()).map(|o| word(&o)).collect();
            table.push_str(&format!("{before:<14}time is up       -> {:<14}{}\n", link.state(), done.join(", ")));
        }
    }
    insta::assert_snapshot!(table);
}
