//! Whose turn it is when something is wrong.

use crate::domain::cause::Cause;
use crate::domain::support::Party;

/// Whether a person has to do something, as opposed to waiting for the daemon, or to typing once more.
pub fn needs_person(cause: Cause) -> bool {
    match cause {
        Cause::O01
        | Cause::O03
        | Cause::O04
        | Cause::O05
        | Cause::B01
        | Cause::B04
        | Cause::B06
        | Cause::S04
        | Cause::S05
        | Cause::K01
        | Cause::K02
        | Cause::K06
        | Cause::N07
        | Cause::P04 => false,
        Cause::N01
        | Cause::N02
        | Cause::N03
        | Cause::N04
        | Cause::N05
        | Cause::N06
        | Cause::N08
        | Cause::N09
        | Cause::N10
        | Cause::H01
        | Cause::H02
        | Cause::H03
        | Cause::H04
        | Cause::H05
        | Cause::H06
        | Cause::H07
        | Cause::H08
        | Cause::H09
        | Cause::S01
        | Cause::S02
        | Cause::S03
        | Cause::S06
        | Cause::O02
        | Cause::B02
        | Cause::B03
        | Cause::K03
        | Cause::K04
        | Cause::K05
        | Cause::P01
        | Cause::P02
        | Cause::P03 => true,
    }
}

/// Whom to call about it.
pub fn party(cause: Cause) -> Party {
    match cause {
        Cause::N05 | Cause::N09 | Cause::N10 | Cause::S03 | Cause::S04 | Cause::S06 | Cause::K01 | Cause::K02 => {
            Party::Acquirer
        }
        Cause::K03 | Cause::K04 | Cause::K05 | Cause::K06 => Party::Acquirer,
        Cause::B01 | Cause::B02 | Cause::B03 | Cause::B04 | Cause::B06 => Party::Acquirer,
        Cause::N01 | Cause::N02 | Cause::N03 | Cause::N04 | Cause::N06 | Cause::N07 | Cause::N08 => Party::Shop,
        Cause::H01 | Cause::H02 | Cause::H03 | Cause::H04 | Cause::H05 | Cause::H06 | Cause::H07 | Cause::H08 => {
            Party::Shop
        }
        Cause::H09 | Cause::S01 | Cause::S02 | Cause::S05 => Party::Shop,
        Cause::O01 | Cause::O02 | Cause::O03 | Cause::O04 | Cause::O05 => Party::Shop,
        Cause::P01 | Cause::P02 | Cause::P03 | Cause::P04 => Party::Shop,
    }
}
