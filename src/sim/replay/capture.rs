//! The lines of a capture: `MILLISECONDS WIRE WHAT`.

use serde_json::Value;

/// The first line.
const HEAD: &str = "smartpos capture 1";
/// Fields of a request that are other ones each time: trace, times, references, batch, the original's trace and batch.
const FLEETING: [&str; 9] = ["11", "12", "13", "15", "37", "38", "60", "61", "55"];

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// The reader's line.
    Reader,
    /// A key.
    Key,
    /// The keypad as a whole.
    Keypad,
    /// The connection to the host.
    Host,
    /// What apps ask for and are told.
    App,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Line of the file, from 1.
    pub number: usize,
    /// Tenths of a millisecond.
    pub at: u64,
    /// Where.
    pub wire: Wire,
    /// What.
    pub what: String,
}

impl Event {
    /// A message to the host or a frame to the reader.
    pub fn sent(&self) -> Option<&str> {
        self.what.strip_prefix("-> ")
    }

    /// A message or a frame from there.
    pub fn came(&self) -> Option<&str> {
        self.what.strip_prefix("<- ")
    }

    /// Whether the daemon did it; everything else came from outside.
    pub fn by_daemon(&self) -> bool {
        match self.wire {
            Wire::Reader | Wire::Host => self.sent().is_some(),
            Wire::App => self.what.starts_with("prompt ") || self.what.starts_with("finished "),
            Wire::Key | Wire::Keypad => false,
        }
    }

    /// What of it is the same each time it is played; `None` for what is not compared.
    pub fn essence(&self) -> Option<String> {
        match self.wire {
            Wire::App if self.by_daemon() => Some(self.what.clone()),
            Wire::Host => self.sent().and_then(request).or_else(|| self.came().and_then(answer)),
            Wire::App | Wire::Reader | Wire::Key | Wire::Keypad => None,
        }
    }
}

fn fields(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn request(json: &str) -> Option<String> {
    let mut message = fields(json)?;
    if let Some(fields) = message.get_mut("fields").and_then(Value::as_object_mut) {
        fields.retain(|number, _| !FLEETING.contains(&number.as_str()));
    }
    Some(format!("-> {message}"))
}

fn answer(json: &str) -> Option<String> {
    Some(format!("<- {} {}", mti(json)?, code(json).unwrap_or_default()))
}

/// The message type.
pub fn mti(json: &str) -> Option<String> {
    Some(fields(json)?.get("mti")?.as_str()?.to_owned())
}

/// Field 39.
pub fn code(json: &str) -> Option<String> {
    Some(fields(json)?.get("fields")?.get("39")?.as_str()?.to_owned())
}

/// A whole capture, in the order in which it happened.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Without the bringing up of the reader, which depends on how it was before.
    pub events: Vec<Event>,
}

impl Capture {
    /// Reads one that may still be written: a last line without its end is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let mut lines = whole.lines();
        if lines.next() != Some(HEAD) {
            return Err(format!("this is no capture; the first line must be {HEAD:?}"));
        }
        let mut events = Vec::new();
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.starts_with('#')) {
            if let Some(event) = event(at + 2, line)? {
                events.push(event);
            }
        }
        // Keys stand behind what came after them.
        events.sort_by_key(|event| event.at);
        let up = events.iter().position(at_work).unwrap_or(events.len());
        let mut place = 0;
        events.retain(|event| {
            place += 1;
            event.wire != Wire::Reader || place > up
        });
        Ok(Self { events })
    }

    /// What is compared, in the order of each wire.
    pub fn essence(&self, wire: Wire) -> Vec<(usize, String)> {
        let mut all: Vec<(usize, String)> = Vec::new();
        for event in self.events.iter().filter(|event| event.wire == wire) {
            all.extend(event.essence().map(|what| (event.number, what)));
        }
        all
    }

    /// The first difference of what is compared. A message too many to the host is one too; a prompt too many is not, since
    /// whether one is shown may depend on how long the one before it stood.
    pub fn compare(&self, second: &Self) -> Result<(), String> {
        for wire in [Wire::Host, Wire::App] {
            let (first, second) = (self.essence(wire), second.essence(wire));
            for (at, (number, was)) in first.iter().enumerate() {
                match second.get(at) {
                    Some((_, now)) if now == was => {}
                    Some((_, now)) => return Err(format!("line {number} of the capture: {was}\nnow: {now}")),
                    None => return Err(format!("line {number} of the capture: {was}\nnow: nothing")),
                }
            }
            if wire == Wire::Host
                && let Some((_, more)) = second.get(first.len())
            {
                return Err(format!("after the last of these lines of the capture: nothing\nnow: {more}"));
            }
        }
        Ok(())
    }
}

/// InListPassiveTarget: a reader that looks for a card has been brought up.
fn at_work(event: &Event) -> bool {
    event.wire == Wire::Reader && event.sent().is_some_and(|hex| hex.get(10..14) == Some("D44A"))
}

fn event(number: usize, line: &str) -> Result<Option<Event>, String> {
    let bad = || format!("line {number}: not of the form MILLISECONDS WIRE WHAT");
    let (at, rest) = line.trim_start().split_once(' ').ok_or_else(bad)?;
    let (wire, what) = rest.split_once(' ').ok_or_else(bad)?;
    let (whole, tenth) = at.split_once('.').ok_or_else(bad)?;
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    let tenth: u64 = tenth.parse().map_err(|_| bad())?;
    let wire = match wire {
        "reader" => Wire::Reader,
        "key" => Wire::Key,
        "keypad" => Wire::Keypad,
        "host" => Wire::Host,
        "app" => Wire::App,
        "end" => return Ok(None),
        _ => return Err(bad()),
    };
    Ok(Some(Event { number, at: whole * 10 + tenth, wire, what: what.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "smartpos capture 1\n# smartposd\n     1.5 reader reopen\n   258.8 reader -> 0000FF03FDD414011700\n\
                        529.7 app sale 1280 CNY online-only\n   533.6 reader -> 0000FF04FCD44A0200E000\n\
                        600.0 app prompt wait\n   599.9 key 96 1\n  700.0 end done\n 80";

    #[test]
    fn lines_are_put_in_order_and_the_bringing_up_is_left_out() {
        let capture = Capture::parse(SOME).unwrap();
        let read: Vec<_> = capture.events.iter().map(|e| (e.number, e.wire, e.by_daemon())).collect();
        assert_eq!(read, [(5, Wire::App, false), (6, Wire::Reader, true), (8, Wire::Key, false), (7, Wire::App, true)]);
    }

    #[test]
    fn what_is_no_capture_is_refused_with_its_line() {
        assert!(Capture::parse("x\n").unwrap_err().contains("first line"));
        let odd = format!("{HEAD}\n 1.0 reader open\n now reader open\n");
        assert!(Capture::parse(&odd).unwrap_err().starts_with("line 3:"));
        assert!(Capture::parse(&format!("{HEAD}\n 1.0 radio open\n")).unwrap_err().starts_with("line 2:"));
    }

    #[test]
    fn a_request_too_many_and_one_too_few_are_differences() {
        let reversal = " 2.0 host -> {\"fields\":{\"4\":\"000000001280\"},\"mti\":\"0400\"}\n";
        let capture = |times: usize| Capture::parse(&format!("{HEAD}\n{}", reversal.repeat(times))).unwrap();
        assert_eq!(capture(1).compare(&capture(1)), Ok(()));
        assert!(capture(1).compare(&capture(2)).unwrap_err().contains("nothing\nnow: -> "));
        assert!(capture(1).compare(&capture(0)).unwrap_err().ends_with("now: nothing"));
    }

    #[test]
    fn a_request_is_the_same_under_another_trace_and_not_with_another_amount() {
        let sale = |trace: &str, amount: &str| {
            let what = format!("-> {{\"fields\":{{\"4\":\"{amount}\",\"11\":\"{trace}\"}},\"mti\":\"0200\"}}");
            Event { number: 1, at: 0, wire: Wire::Host, what }.essence()
        };
        assert_eq!(sale("000001", "000000001280"), sale("000002", "000000001280"));
        assert_ne!(sale("000001", "000000001280"), sale("000001", "000000001281"));
    }
}
