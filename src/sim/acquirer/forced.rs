//! Amounts that force an outcome, so that any client can ask for one without the control socket.
//!
//! Owns: the table. Must not know: how the outcomes are brought about. Only sales (0200) and uploads (0220, 0221) in CNY
//! between 9000.00 and 9099.99 are looked at; no ordinary demonstration amount lies there. For uploads the terminal's
//! profile has to allow so much (`offline.per_sale`).
//!
//! A sale is reversed and comes again under another trace; an upload comes again as it is. So what 9020.XX forces on an
//! upload happens to it once: its repeats are answered properly. 9000.XX and 9010.0X are answered each time.
//!
//! | amount | outcome |
//! |--|--|
//! | 9000.XX | response code XX; 9000.00 is an ordinary sale |
//! | 9010.0X | response code AX |
//! | 9020.01 | charged, no answer |
//! | 9020.02 | neither charged nor answered |
//! | 9020.03 | charged, connection closed without an answer |
//! | 9020.04 | charged, the answer's MAC is wrong |
//! | 9020.05 | charged, answered after 5 s |
//! | 9020.06 | charged, answered twice |
//! | 9020.07 | charged, two answers for others first |
//! | 9020.08 | charged, half an answer, then closed |
//! | 9020.09 | charged, answered too late (`--late`, 65 s) on the same connection |
//! | 9020.10 | charged, garbage for an answer |
//! | 9030.71 | charged, the answer holds a script (71) for the card; sales only |
//! | 9030.72 | charged, the answer holds a script (72) for the card; sales only |

use std::time::Duration;

use super::fault::Path;

/// What an amount forces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forced {
    /// A response code.
    Code(String),
    /// Something other than one good answer.
    Path(Path),
    /// A MAC that is wrong.
    WrongMac,
    /// A script for the card, and its template.
    Script(u8),
}

/// What an amount in minor units of CNY forces, if anything.
pub fn by_amount(minor: u64, late: Duration) -> Option<Forced> {
    let fen = minor % 100;
    match minor / 100 {
        9_000 if fen > 0 => Some(Forced::Code(format!("{fen:02}"))),
        9_010 if fen <= 9 => Some(Forced::Code(format!("A{fen}"))),
        9_030 if fen == 71 => Some(Forced::Script(0x71)),
        9_030 if fen == 72 => Some(Forced::Script(0x72)),
        9_020 => match fen {
            1 => Some(Forced::Path(Path::Drop)),
            2 => Some(Forced::Path(Path::Ignore)),
            3 => Some(Forced::Path(Path::CloseAfter)),
            4 => Some(Forced::WrongMac),
            5 => Some(Forced::Path(Path::Delay(Duration::from_secs(5)))),
            6 => Some(Forced::Path(Path::Duplicate)),
            7 => Some(Forced::Path(Path::Foreign { only: false })),
            8 => Some(Forced::Path(Path::Half { hang: false })),
            9 => Some(Forced::Path(Path::Late(late))),
            10 => Some(Forced::Path(Path::Garbage { framed: true })),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_amounts_force_nothing() {
        let late = Duration::from_secs(65);
        for minor in [
            1, 100, 1234, 10_000, 899_999, 900_000, 901_010, 902_000, 902_011, 903_001, 903_070, 903_073, 910_000,
            9_000_051,
        ] {
            assert_eq!(by_amount(minor, late), None, "{minor}");
        }
    }

    #[test]
    fn the_table_is_as_documented() {
        let late = Duration::from_secs(65);
        assert_eq!(by_amount(900_051, late), Some(Forced::Code("51".to_owned())));
        assert_eq!(by_amount(900_005, late), Some(Forced::Code("05".to_owned())));
        assert_eq!(by_amount(901_000, late), Some(Forced::Code("A0".to_owned())));
        assert_eq!(by_amount(903_071, late), Some(Forced::Script(0x71)));
        assert_eq!(by_amount(903_072, late), Some(Forced::Script(0x72)));
        assert_eq!(by_amount(902_009, late), Some(Forced::Path(Path::Late(late))));
        let documented = include_str!("forced.rs").lines().filter(|line| line.starts_with("//! | 9020.")).count();
        let built = (0..100).filter(|fen| by_amount(902_000 + fen, late).is_some()).count();
        assert_eq!(documented, built);
    }
}
