//! Notices before something fails: rules as data, from windows of counters to what a person should see to. Pure.
//!
//! Every threshold stands below with its reason. Those said to be *own* are this project's judgement, to be put right by
//! numbers from the field. A notice changes nothing about payments.

use crate::diagnose::text::Text;
use crate::diagnose::upkeep_words::item;
use crate::domain::cause::Cause;
use crate::domain::readings::Readings;
use crate::domain::upkeep::{Counter, Day, Due, Notice};

/// How a rule looks at the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// So many of a thousand in the last seven days, once there are `least` at all.
    Rate {
        /// What goes wrong.
        wrong: Counter,
        /// What it is counted among.
        among: Counter,
        /// Fewer of those say nothing.
        least: u64,
        /// From so many of a thousand on.
        per_mille: u64,
    },
    /// As `Rate`, and at least twice the rate of the 28 days before. Without `least` in those days, three times `per_mille`.
    Trend {
        /// What goes wrong.
        wrong: Counter,
        /// What it is counted among.
        among: Counter,
        /// Fewer of those say nothing.
        least: u64,
        /// From so many of a thousand on.
        per_mille: u64,
    },
    /// So many in the last seven days, or the level of its last day.
    AtLeast(Counter, u64),
    /// The level fell to this.
    AtMost(Counter, u64),
    /// The level in per cent of the policy of this terminal.
    OfPolicy(Counter, u64),
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub kind: &'static str,
    /// What it would become.
    pub cause: Cause,
    /// When it speaks.
    pub test: Test,
    /// Why this threshold.
    pub reason: &'static str,
    /// What was seen: `{n}` is the number, `{of}` what it is counted among, `{limit}` the threshold.
    pub seen: Text,
    /// What to do.
    pub advice: Text,
}

/// All rules.
pub const RULES: [Rule; 13] = [
    Rule {
        kind: "card-reads",
        cause: Cause::H04,
        test: Test::Trend { wrong: Counter::ReadFailures, among: Counter::Taps, least: 50, per_mille: 100 },
        reason: "own: people fail a few taps in a hundred anywhere, so what counts is the change at this terminal; 50 taps \
                 keep one bad card out of it",
        seen: Text::new(
            "最近 7 天 {of} 次挥卡中有 {n} 次读不出，比以前多",
            "{n} of {of} taps in 7 days were not read, more than before",
        ),
        advice: Text::new(
            "清洁读卡区，移开金属物和手机；一周后仍多则更换读卡器",
            "clean the reading area, move metal and phones away; if it stays so for a week, replace the reader",
        ),
    },
    Rule {
        kind: "reader-line",
        cause: Cause::H03,
        test: Test::Rate { wrong: Counter::FramingErrors, among: Counter::Frames, least: 200, per_mille: 20 },
        reason: "own: a tenth of what makes the line noisy at once (6 of 32, reader/pn532/statistics.rs)",
        seen: Text::new(
            "最近 7 天读卡器 {of} 帧中有 {n} 次干扰",
            "{n} damaged among {of} frames of the reader in 7 days",
        ),
        advice: Text::new(
            "检查读卡器连线、接地和供电，避开电源线；仍多则换线",
            "check the reader's cable, ground and supply, keep it off power lines; if it stays, replace the cable",
        ),
    },
    Rule {
        kind: "reader-silent",
        cause: Cause::H02,
        test: Test::AtLeast(Counter::AckTimeouts, 30),
        reason: "own: each is repeated by itself; more than four a day are no accident",
        seen: Text::new("最近 7 天读卡器 {n} 次没有应答命令", "the reader left {n} commands unanswered in 7 days"),
        advice: Text::new("检查读卡器插头和供电", "check the reader's plug and supply"),
    },
    Rule {
        kind: "reader-resets",
        cause: Cause::H02,
        test: Test::AtLeast(Counter::ReaderResets, 5),
        reason: "own: a sound reader needs none; five in a week are no accident",
        seen: Text::new("最近 7 天读卡器被重启 {n} 次", "the reader had to be brought up anew {n} times in 7 days"),
        advice: Text::new(
            "检查读卡器插头和供电；更换前看 posctl heal log",
            "check the reader's plug and supply; see posctl heal log before replacing it",
        ),
    },
    Rule {
        kind: "key-bounce",
        cause: Cause::H07,
        test: Test::Rate { wrong: Counter::KeyBounces, among: Counter::KeyPresses, least: 50, per_mille: 20 },
        reason: "own: a new switch settles within 5 ms and is counted as none; a worn dome bounces longer and then misses",
        seen: Text::new("最近 7 天 {of} 次按键中有 {n} 次抖动", "{n} bounces with {of} key presses in 7 days"),
        advice: Text::new(
            "清洁键盘；仍抖动则在失灵前更换",
            "clean the keypad; if it goes on, replace it before keys are missed",
        ),
    },
    Rule {
        kind: "stuck-keys",
        cause: Cause::H06,
        test: Test::AtLeast(Counter::StuckKeys, 3),
        reason: "own: once may be a thing that lay on it",
        seen: Text::new("最近 7 天有 {n} 次按键卡住", "a key stayed down {n} times in 7 days"),
        advice: Text::new("清洁键盘，不要在上面放东西", "clean the keypad, keep things off it"),
    },
    Rule {
        kind: "supply",
        cause: Cause::P03,
        test: Test::AtLeast(Counter::Undervoltage, 3),
        reason: "own: looked at a few times an hour only, so three are many; the Raspberry Pi's own limit is 4.63 V",
        seen: Text::new(
            "最近 7 天有 {n} 次供电不足或过热",
            "power was short or the machine hot at {n} looks in 7 days",
        ),
        advice: Text::new(
            "换更强的电源和更短的线，不经集线器供电；检查通风",
            "use a stronger supply and a shorter cable, no hub in between; check the air flow",
        ),
    },
    Rule {
        kind: "storage-wear",
        cause: Cause::P02,
        test: Test::AtLeast(Counter::StorageWear, 80),
        reason: "JEDEC eMMC DEVICE_LIFE_TIME_EST counts in tenths of the rated life; 80 % leaves time to order a card",
        seen: Text::new("存储已用寿命约 {n}%", "the disk has used about {n} % of its rated life"),
        advice: Text::new(
            "准备新的存储，备份后更换（posctl backup）",
            "get a new disk; back up (posctl backup) and replace it",
        ),
    },
    Rule {
        kind: "storage-spares",
        cause: Cause::P02,
        test: Test::AtLeast(Counter::StorageSpares, 2),
        reason: "JEDEC eMMC PRE_EOL_INFO: 2 is \"warning\", 80 % of the spare blocks are used; 3 is urgent",
        seen: Text::new("存储备用块快用完（{n}）", "the disk's spare blocks are nearly used up (state {n} of 3)"),
        advice: Text::new(
            "今天就备份（posctl backup），尽快更换存储",
            "back up today (posctl backup), and replace the disk soon",
        ),
    },
    Rule {
        kind: "disk-writes",
        cause: Cause::P02,
        test: Test::AtLeast(Counter::WrittenKib, 70 << 20),
        reason: "own: 10 GiB a day wear a 16 GiB card of 3000 cycles out in some 13 years at best, in 2 with usual write \
                 amplification; the daemon itself writes some kB a payment",
        seen: Text::new(
            "最近 7 天存储写入 {n} KiB，过多",
            "{n} KiB were written to the disk in 7 days, which wears it",
        ),
        advice: Text::new(
            "查出写盘的程序（iotop），关掉多余日志",
            "find the program that writes (iotop), and turn needless logs off",
        ),
    },
    Rule {
        kind: "clock",
        cause: Cause::P01,
        test: Test::AtLeast(Counter::ClockDifference, 120),
        reason: "own: a fifth of the 600 s at which offline payments and sign-in doubt the clock",
        seen: Text::new("本机时钟与主机相差 {n} 秒", "this machine's clock differs from the host's by {n} s"),
        advice: Text::new(
            "检查网络校时（timedatectl）和时钟电池",
            "check the time service (timedatectl) and the clock's battery",
        ),
    },
    Rule {
        kind: "key-age",
        cause: Cause::K06,
        test: Test::OfPolicy(Counter::KeyAge, 125),
        reason: "working keys renew themselves at 100 % of the profile's keys.max_age; a quarter beyond, renewal does not work",
        seen: Text::new(
            "工作密钥已有 {n} 小时，应在 {limit} 小时内更新",
            "the working keys are {n} h old; they should have been renewed before {limit} h",
        ),
        advice: Text::new(
            "运行 posctl sign-in；失败则看 posctl doctor",
            "run posctl sign-in; if it fails, posctl doctor",
        ),
    },
    Rule {
        kind: "certificate-expiry",
        cause: Cause::N09,
        test: Test::AtMost(Counter::CertificateDays, 30),
        reason: "own: an acquirer's new certificate takes days to weeks to reach the shop",
        seen: Text::new("收单机构证书还有 {n} 天到期", "the acquirer's certificate file expires in {n} days"),
        advice: Text::new(
            "向收单机构索取新证书，换到配置的位置",
            "ask the acquirer for the new certificate and put it in place",
        ),
    },
];

/// What this terminal is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Hours after which working keys are renewed.
    pub keys_max_age: u64,
}

/// What a rule has found: number, what it is counted among, threshold.
type Found = (u64, u64, u64);

/// All notices of a day, those of the counters first.
pub fn notices(readings: &Readings, due: &[Due], policy: Policy, today: Day) -> Vec<Notice> {
    let worn = RULES.iter().filter_map(|rule| Some(of_rule(rule, rule.test.look(readings, policy, today)?)));
    let late = due.iter().filter(|due| due.is_due(today)).map(|due| of_item(due, today));
    worn.chain(late).collect()
}

impl Test {
    /// What it has found, if it speaks.
    fn look(self, readings: &Readings, policy: Policy, today: Day) -> Option<Found> {
        let week = |counter| readings.last(counter, today, 7);
        match self {
            Self::Rate { wrong, among, least, per_mille } => {
                let (n, of) = (week(wrong)?, week(among).unwrap_or(0));
                (of >= least && at_rate(n, of, per_mille)).then_some((n, of, per_mille))
            }
            Self::Trend { wrong, among, least, per_mille } => {
                let (n, of) = (week(wrong)?, week(among).unwrap_or(0));
                let usual = |counter| readings.before(counter, today, 7, 28).unwrap_or(0);
                let (n_before, of_before) = (usual(wrong), usual(among));
                let more = match of_before >= least {
                    true => twice_as_often((n, of), (n_before, of_before)),
                    false => at_rate(n, of, per_mille.saturating_mul(3)),
                };
                (of >= least && at_rate(n, of, per_mille) && more).then_some((n, of, per_mille))
            }
            Self::AtLeast(counter, limit) => {
                readings.level(counter, today).filter(|n| *n >= limit).map(|n| (n, 0, limit))
            }
            Self::AtMost(counter, limit) => {
                readings.level(counter, today).filter(|n| *n <= limit).map(|n| (n, 0, limit))
            }
            Self::OfPolicy(counter, percent) => {
                let limit = policy.keys_max_age.saturating_mul(percent) / 100;
                readings.level(counter, today).filter(|n| limit > 0 && *n >= limit).map(|n| (n, 0, limit))
            }
        }
    }
}

fn at_rate(n: u64, of: u64, per_mille: u64) -> bool {
    n > 0 && u128::from(n) * 1000 >= u128::from(of) * u128::from(per_mille)
}

fn twice_as_often((n, of): (u64, u64), (n_before, of_before): (u64, u64)) -> bool {
    u128::from(n) * u128::from(of_before) >= 2 * u128::from(n_before) * u128::from(of)
}

fn of_rule(rule: &Rule, (value, of, limit): Found) -> Notice {
    let fill = |text: &str| {
        let text = text.replace("{n}", &value.to_string()).replace("{of}", &of.to_string());
        text.replace("{limit}", &limit.to_string())
    };
    Notice {
        kind: rule.kind,
        cause: Some(rule.cause),
        value,
        limit,
        text: [fill(rule.seen.zh), fill(rule.seen.en)],
        advice: [rule.advice.zh, rule.advice.en],
    }
}

fn of_item(due: &Due, today: Day) -> Notice {
    let late = due.on.map_or(0, |on| u64::from(today.0.saturating_sub(on.0)));
    let name = item(due.item);
    Notice {
        kind: due.item.as_str(),
        cause: None,
        value: late,
        limit: u64::from(due.interval),
        text: [
            format!("{}到期（每 {} 天一次），已过 {late} 天", name.zh, due.interval),
            format!("due every {} days: {}; {late} days late", due.interval, name.en),
        ],
        advice: [
            "完成后由主管记录：posctl maintenance done",
            "once it is done, a supervisor puts it on record: posctl maintenance done",
        ],
    }
}
