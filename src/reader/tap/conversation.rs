//! One command to the card and its whole answer, over however many exchanges that takes.
//!
//! Owns: `61 xx` (fetch the rest) and `6C xx` (ask for that length). Must not know: what commands are for.
//! Follows: ISO/IEC 7816-4 §5.3, EMV Book 1 §9.3.1.

use zeroize::Zeroizing;

use crate::codec::apdu::{Command, Response, StatusWord};
use crate::domain::secret::SecretBytes;

/// No answer to a payment command is longer.
const MAX_ANSWER: usize = 4_096;
/// A card that always has more to say must not hold the reader.
const MAX_TURNS: u8 = 16;

/// What follows from a card's answer.
pub(super) enum Turn {
    /// Send this next.
    Again(SecretBytes),
    /// The whole answer and how it ended.
    Complete(Zeroizing<Vec<u8>>, StatusWord),
    /// Not an answer, or one without end.
    Faulty,
}

/// The command in hand.
#[derive(Default)]
pub(super) struct Conversation {
    command: Option<Command>,
    gathered: Zeroizing<Vec<u8>>,
    turns: u8,
    length_corrected: bool,
}

impl Conversation {
    /// Starts a command; its bytes, or `None` if it cannot be a command.
    pub(super) fn begin(&mut self, command: Command) -> Option<SecretBytes> {
        let bytes = wire(&command)?;
        // Room for everything at once: a growing vector would leave unwiped copies behind.
        self.gathered = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        (self.command, self.turns, self.length_corrected) = (Some(command), 0, false);
        Some(bytes)
    }

    /// Takes the card's answer.
    pub(super) fn answered(&mut self, answer: &[u8]) -> Turn {
        let (Some(command), Ok(response)) = (&self.command, Response::parse(answer)) else {
            return Turn::Faulty;
        };
        self.turns += 1;
        if self.turns > MAX_TURNS || self.gathered.len() + response.body.len() > MAX_ANSWER {
            return Turn::Faulty;
        }
        let next = if let Some(length) = response.status.right_length() {
            if std::mem::replace(&mut self.length_corrected, true) {
                return Turn::Faulty;
            }
            command.with_length(length)
        } else {
            self.gathered.extend_from_slice(response.body);
            let Some(waiting) = response.status.bytes_waiting() else {
                self.command = None;
                return Turn::Complete(std::mem::take(&mut self.gathered), response.status);
            };
            Command::get_response(waiting)
        };
        wire(&next).map_or(Turn::Faulty, Turn::Again)
    }
}

fn wire(command: &Command) -> Option<SecretBytes> {
    let mut bytes = command.to_bytes().ok()?;
    Some(SecretBytes::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began() -> Conversation {
        let mut conversation = Conversation::default();
        let bytes = conversation.begin(Command::read_record(1, 2).unwrap()).unwrap();
        assert_eq!(bytes.expose(), [0x00, 0xB2, 0x02, 0x0C, 0x00]);
        conversation
    }

    fn again(turn: Turn) -> Vec<u8> {
        match turn {
            Turn::Again(bytes) => bytes.expose().to_vec(),
            Turn::Complete(..) => panic!("complete"),
            Turn::Faulty => panic!("faulty"),
        }
    }

    #[test]
    fn an_answer_in_pieces_is_put_together() {
        let mut conversation = began();
        assert_eq!(again(conversation.answered(&[1, 2, 0x61, 0x02])), [0x00, 0xC0, 0x00, 0x00, 0x02]);
        let Turn::Complete(body, status) = conversation.answered(&[3, 4, 0x90, 0x00]) else { panic!("not complete") };
        assert_eq!((body.as_slice(), status), (&[1, 2, 3, 4][..], StatusWord::OK));
    }

    #[test]
    fn a_wrong_length_is_corrected_once() {
        let mut conversation = began();
        assert_eq!(again(conversation.answered(&[0x6C, 0x1A])), [0x00, 0xB2, 0x02, 0x0C, 0x1A]);
        assert!(matches!(conversation.answered(&[0x6C, 0x1B]), Turn::Faulty));
    }

    #[test]
    fn a_card_that_always_has_more_is_faulty() {
        let mut conversation = began();
        let turns = (0..100).take_while(|_| matches!(conversation.answered(&[7, 0x61, 0x01]), Turn::Again(_))).count();
        assert_eq!(turns, usize::from(MAX_TURNS));
    }

    #[test]
    fn less_than_a_status_word_is_faulty() {
        for answer in [&[][..], &[0x90], &[0x00, 0x00]] {
            assert!(matches!(began().answered(answer), Turn::Faulty));
        }
    }
}
