//! Faults on demand: their grammar and what is armed at the moment.
//!
//! Owns: parsing, counting, choosing. Must not know: messages, sockets.
//!
//! `fault [SCOPE] KIND [ARGUMENT] [skip N] [xN | sticky]`. SCOPE is a message type such as `0200`, `upload` (0220 and its
//! repeat 0221), `any` (the default) or `connect` (the moment of connecting, below TLS). A fault is used once unless `xN` or `sticky` says otherwise;
//! `skip N` lets the first N go by. Of the faults that change the way an answer takes (`drop` … `html`) one is used per
//! request, counted ones before sticky ones, older before newer; the others are used together with it.

use std::time::Duration;

use super::keys::{KeyFlaw, KeyName};

/// The grammar, for people.
pub const GRAMMAR: &str = "\
fault [SCOPE] KIND [ARGUMENT] [skip N] [xN | sticky]
  SCOPE    a message type (0200, 0220, 0400, 0620, 0800, 0820 ...), upload (0220 and 0221), any (default), or connect
  instead of one good answer (one of these per request):
    ignore               neither processed nor answered
    drop                 processed, not answered
    close [before|after] connection closed before or after (default) processing
    html                 not processed; an HTTP page and the end, as from a captive portal
    delay MS             the connection's answers wait so long
    late MS              this answer comes so late, others pass it
    duplicate            the answer twice
    foreign [only]       answers for another trace and another terminal first (or only those)
    garbage [raw]        random bytes in a good frame (or without a frame)
    half [hang]          the first half of the answer, then closed (or silence)
    oversize             a length of 65535 and too many bytes
    bitflip N            bit N of the answer turned over, counted from the TPDU
  in the answer (any number of these):
    code XX [charged]    this response code; refused codes charge nothing unless 'charged'
    wrong-mac            field 64 wrong
    wrong-kcv [pik|mak|tdk]  a check value wrong (default pik)
    bad-key-block        field 62 of a length that no form has
    script [71|72]       a script for the card in the answer to a sale (default 72); a 0620 has to follow
    asks N               processing request digit N in the header
    clock +S | -S        the host's clock off by so many seconds
  when connecting (scope connect; refuse and hang-accept need no scope):
    refuse               nobody listens until 'clear'; with xN the next N connections are reset
    hang-accept          accepted, then silence
    close, garbage, html at once, below TLS";

/// Instead of one good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Neither processed nor answered.
    Ignore,
    /// Closed before processing.
    CloseBefore,
    /// Not processed; an HTTP page.
    Html,
    /// Processed, not answered.
    Drop,
    /// Closed after processing, not answered.
    CloseAfter,
    /// The connection's answers wait.
    Delay(Duration),
    /// This answer waits, others pass it.
    Late(Duration),
    /// Answered twice.
    Duplicate,
    /// Answers for others first.
    Foreign {
        /// The right one never comes.
        only: bool,
    },
    /// Random bytes.
    Garbage {
        /// Behind a good length.
        framed: bool,
    },
    /// The first half.
    Half {
        /// Then silence, else the end.
        hang: bool,
    },
    /// Too long.
    Oversize,
    /// One bit wrong.
    BitFlip(usize),
}

/// At the moment of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Reset at once, or nobody listens.
    Refuse,
    /// Accepted, then silence.
    Hang,
    /// Closed at once.
    Close,
    /// Random bytes at once.
    Garbage,
    /// An HTTP page at once.
    Html,
}

/// One kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instead of one good answer.
    Path(Path),
    /// A response code.
    Code {
        /// Field 39.
        code: String,
        /// Whether the cardholder is charged whatever the code says.
        charged: bool,
    },
    /// Field 64 wrong.
    WrongMac,
    /// Field 62 wrong.
    Keys(KeyFlaw),
    /// A script for the card, and its template.
    Script(u8),
    /// The header's processing request.
    Asks(u8),
    /// Seconds by which fields 12 and 13 are off.
    Clock(i64),
    /// At the moment of connecting.
    Door(Door),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Connect,
    Any,
    Upload,
    Mti(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uses {
    Times(u32),
    Sticky,
}

/// An armed fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    scope: Scope,
    kind: Kind,
    skip: u32,
    uses: Uses,
}

impl Fault {
    /// Reads everything behind the word `fault`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let uses = take_uses(&mut words)?;
        let skip = take_skip(&mut words)?;
        let (scope, words) = take_scope(&words)?;
        let Some((name, arguments)) = words.split_first() else {
            return Err(format!("no fault named; write\n{GRAMMAR}").replace('\n', " / "));
        };
        let kind = kind(scope, name, arguments)?;
        let scope = if matches!(kind, Kind::Door(_)) { Scope::Connect } else { scope };
        // A listener that is shut counts nothing, so it stays shut until cleared.
        let once = if kind == Kind::Door(Door::Refuse) { Uses::Sticky } else { Uses::Times(1) };
        Ok(Self { scope, kind, skip, uses: uses.unwrap_or(once) })
    }

    /// Uses it once, if it is due.
    fn fire(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.uses {
            Uses::Sticky => true,
            Uses::Times(0) => false,
            Uses::Times(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn is_spent(&self) -> bool {
        self.uses == Uses::Times(0)
    }
}

fn take_uses(words: &mut Vec<&str>) -> Result<Option<Uses>, String> {
    let uses = match words.last() {
        Some(&"sticky") => Uses::Sticky,
        Some(last) => match last.strip_prefix('x').map(str::parse) {
            Some(Ok(n)) if n > 0 => Uses::Times(n),
            Some(_) => return Err(format!("{last} is no count; write x1, x2 … or sticky")),
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    words.pop();
    Ok(Some(uses))
}

fn take_skip(words: &mut Vec<&str>) -> Result<u32, String> {
    let Some(at) = words.iter().position(|word| *word == "skip") else { return Ok(0) };
    match words.get(at + 1..) {
        Some([count]) => {
            let count = count.parse().map_err(|_| "skip takes a number".to_owned())?;
            words.truncate(at);
            Ok(count)
        }
        _ => Err("skip takes one number and stands last but for xN or sticky".to_owned()),
    }
}

fn take_scope<'a>(words: &'a [&'a str]) -> Result<(Scope, &'a [&'a str]), String> {
    let Some((first, rest)) = words.split_first() else { return Ok((Scope::Any, words)) };
    match *first {
        "any" => Ok((Scope::Any, rest)),
        "connect" => Ok((Scope::Connect, rest)),
        "upload" => Ok((Scope::Upload, rest)),
        mti if mti.bytes().all(|b| b.is_ascii_digit()) => {
            let bcd = u16::from_str_radix(mti, 16).ok().filter(|_| mti.len() == 4);
            Ok((Scope::Mti(bcd.ok_or_else(|| format!("{mti} is no message type; write four digits"))?), rest))
        }
        _ => Ok((Scope::Any, words)),
    }
}

fn kind(scope: Scope, name: &str, arguments: &[&str]) -> Result<Kind, String> {
    match (scope, door(name, arguments)) {
        (Scope::Connect, Some(door)) => return Ok(Kind::Door(door)),
        (Scope::Connect, None) => {
            return Err(format!("{name} does not go with connect; refuse, hang-accept, close, garbage, html do"));
        }
        (Scope::Any, Some(door @ (Door::Refuse | Door::Hang))) => return Ok(Kind::Door(door)),
        (Scope::Upload | Scope::Mti(_), Some(Door::Refuse | Door::Hang)) => {
            return Err(format!("{name} happens when connecting; write it without a message type"));
        }
        (Scope::Any | Scope::Upload | Scope::Mti(_), _) => {}
    }
    if let Some(path) = path(name, arguments)? {
        return Ok(Kind::Path(path));
    }
    match (name, arguments) {
        ("code", [code]) => Ok(Kind::Code { code: response_code(code)?, charged: false }),
        ("code", [code, "charged"]) => Ok(Kind::Code { code: response_code(code)?, charged: true }),
        ("wrong-mac", []) => Ok(Kind::WrongMac),
        ("wrong-kcv", [] | ["pik"]) => Ok(Kind::Keys(KeyFlaw::CheckValue(KeyName::Pik))),
        ("wrong-kcv", ["mak"]) => Ok(Kind::Keys(KeyFlaw::CheckValue(KeyName::Mak))),
        ("wrong-kcv", ["tdk"]) => Ok(Kind::Keys(KeyFlaw::CheckValue(KeyName::Tdk))),
        ("bad-key-block", []) => Ok(Kind::Keys(KeyFlaw::Layout)),
        ("script", [] | ["72"]) => Ok(Kind::Script(0x72)),
        ("script", ["71"]) => Ok(Kind::Script(0x71)),
        ("asks", [digit]) => match digit.parse() {
            Ok(digit @ 0..=9) => Ok(Kind::Asks(digit)),
            _ => Err("asks takes one digit".to_owned()),
        },
        ("clock", [seconds]) => {
            seconds.parse().map(Kind::Clock).map_err(|_| "clock takes seconds, as +7200 or -60".to_owned())
        }
        _ => Err(format!("no fault '{}'; send 'help' for the list", [&[name], arguments].concat().join(" "))),
    }
}

fn door(name: &str, arguments: &[&str]) -> Option<Door> {
    match (name, arguments) {
        ("refuse", []) => Some(Door::Refuse),
        ("hang-accept", []) => Some(Door::Hang),
        ("close", []) => Some(Door::Close),
        ("garbage", []) => Some(Door::Garbage),
        ("html", []) => Some(Door::Html),
        _ => None,
    }
}

fn path(name: &str, arguments: &[&str]) -> Result<Option<Path>, String> {
    Ok(Some(match (name, arguments) {
        ("ignore", []) => Path::Ignore,
        ("drop", []) => Path::Drop,
        ("close", ["before"]) => Path::CloseBefore,
        ("close", [] | ["after"]) => Path::CloseAfter,
        ("html", []) => Path::Html,
        ("delay", [ms]) => Path::Delay(milliseconds(ms)?),
        ("late", [ms]) => Path::Late(milliseconds(ms)?),
        ("duplicate", []) => Path::Duplicate,
        ("foreign", []) => Path::Foreign { only: false },
        ("foreign", ["only"]) => Path::Foreign { only: true },
        ("garbage", []) => Path::Garbage { framed: true },
        ("garbage", ["raw"]) => Path::Garbage { framed: false },
        ("half", [] | ["close"]) => Path::Half { hang: false },
        ("half", ["hang"]) => Path::Half { hang: true },
        ("oversize", []) => Path::Oversize,
        ("bitflip", [bit]) => Path::BitFlip(bit.parse().map_err(|_| "bitflip takes the number of a bit".to_owned())?),
        _ => return Ok(None),
    }))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| format!("{text} is no number of milliseconds"))
}

fn response_code(text: &str) -> Result<String, String> {
    let good = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is no response code; write two characters, as 51 or A0"))
    }
}

/// What is to go wrong with one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Instead of one good answer.
    pub path: Option<Path>,
    /// Field 39, and whether the sale counts whatever it says.
    pub code: Option<(String, bool)>,
    /// Field 64 wrong.
    pub wrong_mac: bool,
    /// Field 62 wrong.
    pub keys: Option<KeyFlaw>,
    /// A script for the card.
    pub script: Option<u8>,
    /// The header's processing request.
    pub asks: u8,
    /// Seconds by which the clock is off.
    pub clock: i64,
}

/// Most faults that may be armed at once.
const MAX_ARMED: usize = 256;

/// Everything armed, oldest first.
#[derive(Default)]
pub struct Faults {
    armed: Vec<Fault>,
}

impl Faults {
    /// Arms one more.
    pub fn arm(&mut self, fault: Fault) -> Result<(), String> {
        if self.armed.len() >= MAX_ARMED {
            return Err(format!("{MAX_ARMED} faults are armed already; send 'clear' first"));
        }
        self.armed.push(fault);
        Ok(())
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// How many are armed.
    pub fn count(&self) -> usize {
        self.armed.len()
    }

    /// Whether nobody is to listen: a `refuse` without a count.
    pub fn is_shut(&self) -> bool {
        self.armed.iter().any(|fault| fault.kind == Kind::Door(Door::Refuse) && fault.uses == Uses::Sticky)
    }

    /// What happens to a new connection.
    pub fn at_the_door(&mut self) -> Option<Door> {
        let chosen = self.choose(|fault| matches!(fault.kind, Kind::Door(_)))?;
        match chosen {
            Kind::Door(door) => Some(door),
            Kind::Path(_)
            | Kind::Code { .. }
            | Kind::WrongMac
            | Kind::Keys(_)
            | Kind::Script(_)
            | Kind::Asks(_)
            | Kind::Clock(_) => None,
        }
    }

    /// What happens to a request of this type.
    pub fn for_request(&mut self, mti: [u8; 2]) -> Plan {
        let mti = u16::from_be_bytes(mti);
        let mut plan = Plan::default();
        for group in 0..GROUPS {
            let member = |fault: &Fault| group_of(&fault.kind) == Some(group) && fault.covers(mti);
            match self.choose(member) {
                Some(Kind::Path(path)) => plan.path = Some(path),
                Some(Kind::Code { code, charged }) => plan.code = Some((code, charged)),
                Some(Kind::WrongMac) => plan.wrong_mac = true,
                Some(Kind::Keys(flaw)) => plan.keys = Some(flaw),
                Some(Kind::Script(template)) => plan.script = Some(template),
                Some(Kind::Asks(digit)) => plan.asks = digit,
                Some(Kind::Clock(seconds)) => plan.clock = seconds,
                Some(Kind::Door(_)) | None => {}
            }
        }
        plan
    }

    /// Uses the first that is due, counted ones before sticky ones.
    fn choose(&mut self, member: impl Fn(&Fault) -> bool) -> Option<Kind> {
        let mut chosen = None;
        for sticky in [false, true] {
            let turn = |fault: &Fault| (fault.uses == Uses::Sticky) == sticky && member(fault);
            for fault in self.armed.iter_mut().filter(|fault| turn(fault)) {
                // All that are waiting see the request go by; only one is used.
                if fault.skip > 0 || chosen.is_none() {
                    let kind = fault.kind.clone();
                    if fault.fire() {
                        chosen = Some(kind);
                    }
                }
            }
        }
        self.armed.retain(|fault| !fault.is_spent());
        chosen
    }
}

impl Fault {
    fn covers(&self, mti: u16) -> bool {
        match self.scope {
            Scope::Any => true,
            Scope::Upload => matches!(mti, 0x0220 | 0x0221),
            Scope::Mti(wanted) => wanted == mti,
            Scope::Connect => false,
        }
    }
}

/// How many groups there are.
const GROUPS: u8 = 7;

/// Faults of one group exclude each other.
fn group_of(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Path(_) => Some(0),
        Kind::Code { .. } => Some(1),
        Kind::WrongMac => Some(2),
        Kind::Keys(_) => Some(3),
        Kind::Asks(_) => Some(4),
        Kind::Clock(_) => Some(5),
        Kind::Script(_) => Some(6),
        Kind::Door(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALE: [u8; 2] = [0x02, 0x00];
    const SIGN_IN: [u8; 2] = [0x08, 0x00];

    fn armed(faults: &[&str]) -> Faults {
        let mut all = Faults::default();
        for text in faults {
            all.arm(Fault::parse(text).unwrap()).unwrap();
        }
        all
    }

    #[test]
    fn a_fault_is_used_once_for_its_message_only() {
        let mut faults = armed(&["0200 drop"]);
        assert_eq!(faults.for_request(SIGN_IN), Plan::default());
        assert_eq!(faults.for_request(SALE).path, Some(Path::Drop));
        assert_eq!(faults.for_request(SALE), Plan::default());
        assert_eq!(faults.count(), 0);
    }

    #[test]
    fn counted_ones_come_before_sticky_ones_and_in_order() {
        let mut faults = armed(&["0200 drop sticky", "0200 delay 5 x2", "any duplicate"]);
        let path = |faults: &mut Faults| faults.for_request(SALE).path.unwrap();
        let five = Path::Delay(Duration::from_millis(5));
        assert_eq!(path(&mut faults), five);
        assert_eq!(path(&mut faults), five);
        assert_eq!(path(&mut faults), Path::Duplicate);
        assert_eq!(path(&mut faults), Path::Drop);
        assert_eq!(path(&mut faults), Path::Drop);
    }

    #[test]
    fn an_upload_is_one_and_its_repeat_too() {
        let mut faults = armed(&["upload drop x2", "0221 script", "0220 asks 3"]);
        assert_eq!(faults.for_request(SALE), Plan::default());
        let first = faults.for_request([0x02, 0x20]);
        assert_eq!((first.path, first.script, first.asks), (Some(Path::Drop), None, 3));
        let again = faults.for_request([0x02, 0x21]);
        assert_eq!((again.path, again.script, again.asks), (Some(Path::Drop), Some(0x72), 0));
    }

    #[test]
    fn skipping_lets_requests_go_by() {
        let mut faults = armed(&["0200 drop skip 2 x1"]);
        let paths: Vec<_> = (0..4).map(|_| faults.for_request(SALE).path).collect();
        assert_eq!(paths, [None, None, Some(Path::Drop), None]);
    }

    #[test]
    fn different_groups_add_up() {
        let mut faults = armed(&["0800 asks 3", "0800 clock -7200", "0800 wrong-kcv mak", "any wrong-mac", "late 7"]);
        let plan = faults.for_request(SIGN_IN);
        assert_eq!((plan.asks, plan.clock, plan.wrong_mac), (3, -7200, true));
        assert_eq!(plan.keys, Some(KeyFlaw::CheckValue(KeyName::Mak)));
        assert_eq!(plan.path, Some(Path::Late(Duration::from_millis(7))));
    }

    #[test]
    fn a_shut_door_is_no_counted_refusal() {
        let mut faults = armed(&["refuse x2"]);
        assert!(!faults.is_shut());
        assert_eq!(faults.at_the_door(), Some(Door::Refuse));
        assert_eq!(faults.at_the_door(), Some(Door::Refuse));
        assert_eq!(faults.at_the_door(), None);
        assert!(armed(&["refuse"]).is_shut());
        assert_eq!(armed(&["connect html"]).at_the_door(), Some(Door::Html));
        assert_eq!(armed(&["html"]).at_the_door(), None);
    }

    #[test]
    fn every_kind_in_the_grammar_parses() {
        let kinds: Vec<&str> = GRAMMAR
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.split_whitespace().next())
            .map(|word| word.trim_end_matches(','))
            .collect();
        assert!(kinds.len() >= 20, "{kinds:?}");
        for kind in kinds {
            let argument = match kind {
                "delay" | "late" | "bitflip" => "9",
                "code" => "A0",
                "asks" => "3",
                "clock" => "+9",
                _ => "",
            };
            Fault::parse(&format!("{kind} {argument} x1")).unwrap();
        }
    }

    #[test]
    fn mistakes_are_answered_with_what_to_write() {
        for (text, part) in [
            ("", "no fault named"),
            ("0200 explode", "no fault 'explode'"),
            ("0200 drop x0", "no count"),
            ("200 drop", "four digits"),
            ("0200 code 5", "two characters"),
            ("0200 refuse", "without a message type"),
            ("connect drop", "does not go with connect"),
            ("0200 delay soon", "milliseconds"),
            ("0800 asks 12", "one digit"),
            ("upload refuse", "without a message type"),
            ("0200 script 73", "no fault 'script 73'"),
            ("drop skip", "skip takes"),
        ] {
            let why = Fault::parse(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
            assert!(!why.contains('\n'), "an answer is one line: {why}");
        }
    }
}
