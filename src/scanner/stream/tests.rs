use proptest::prelude::*;

use super::*;

const DONE: [u8; 7] = [0x02, 0, 0, 1, 0, 0x33, 0x31];
const ALIVE: [u8; 7] = [0x03, 0, 0, 1, 0, 0x33, 0x31];

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000)
}

/// `code`, `<reply>`, `!` for something rejected.
fn drain(stream: &mut Stream) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(piece) = stream.poll() {
        found.push(match piece {
            Piece::Code(code) => String::from_utf8(code.expose().to_vec()).unwrap(),
            Piece::Reply(reply) => if reply.heartbeat { "<alive>" } else { "<done>" }.to_owned(),
            Piece::Rejected => "!".to_owned(),
        });
    }
    found
}

/// All bytes at once, then silence.
fn read(replies: bool, bytes: &[u8]) -> Vec<String> {
    let mut stream = Stream::new(replies);
    stream.feed(at(0), bytes);
    stream.expire(at(600));
    assert_eq!(stream.deadline(), None);
    drain(&mut stream)
}

#[test]
fn each_terminator_ends_a_code() {
    for end in ["\r", "\n", "\r\n", "\t", "\n\r", "\r\r\n"] {
        assert_eq!(read(false, format!("ABC123{end}").as_bytes()), ["ABC123"], "{end:?}");
        assert_eq!(read(false, format!("{end}A{end}B{end}").as_bytes()), ["A", "B"], "{end:?}");
    }
}

#[test]
fn silence_ends_a_code_of_a_scanner_without_terminators() {
    let mut stream = Stream::new(false);
    stream.feed(at(0), b"ABC");
    stream.feed(at(60), b"DEF");
    stream.expire(at(139));
    assert!(drain(&mut stream).is_empty());
    assert_eq!(stream.deadline(), Some(at(140)));
    stream.expire(at(140));
    assert_eq!(drain(&mut stream), ["ABCDEF"]);
    assert_eq!(stream.deadline(), None);
}

#[test]
fn a_code_that_stops_short_is_not_taken_from_a_scanner_that_ends_its_codes() {
    let mut stream = Stream::new(false);
    stream.feed(at(0), b"281234567890123456\r2812345678901234");
    stream.expire(at(499));
    assert_eq!(drain(&mut stream), ["281234567890123456"]);
    stream.expire(at(500));
    assert_eq!(drain(&mut stream), ["!"]);
    stream.feed(at(900), b"2812345678901234567\r");
    assert_eq!(drain(&mut stream), ["2812345678901234567"]);
}

#[test]
fn a_scanner_that_was_told_to_send_no_terminators_any_more_is_believed_after_a_while() {
    let mut stream = Stream::new(false);
    stream.feed(at(0), b"A\r");
    let mut found = drain(&mut stream);
    for n in 1..=4 {
        stream.feed(at(n * 1000), b"B");
        stream.expire(at(n * 1000 + 600));
        found.extend(drain(&mut stream));
    }
    assert_eq!(found, ["A", "!", "!", "!", "B"]);
}

#[test]
fn a_late_core_does_not_cut_a_code() {
    let mut stream = Stream::new(false);
    stream.feed(at(0), b"ABC");
    // The bytes came in time, but the core was busy; it takes them in before it looks at the clock.
    stream.feed(at(400), b"DEF\r");
    stream.expire(at(400));
    assert_eq!(drain(&mut stream), ["ABCDEF"]);
}

#[test]
fn what_is_no_text_is_thrown_away_up_to_its_end() {
    assert_eq!(read(false, b"AB\x00CD\rEF\r"), ["!", "EF"]);
    assert_eq!(read(false, b"\xE4\xBB\x98\rEF\r"), ["!", "EF"]);
    assert_eq!(read(false, b"\x02ABC\x03\rEF\r"), ["!", "EF"]);
    assert_eq!(read(false, &[0x1b; 10_000]), ["!"]);
}

#[test]
fn a_code_that_is_too_long_is_thrown_away_and_memory_is_bounded() {
    let longest = vec![b'7'; LONGEST_CODE];
    assert_eq!(read(false, &[longest.as_slice(), b"\r"].concat()).len(), 1);
    assert_eq!(read(false, &[longest.as_slice(), b"7\rA\r"].concat()), ["!", "A"]);
    let mut stream = Stream::new(true);
    for n in 0..10_000 {
        stream.feed(at(n), &[b'9'; 512]);
        assert!(stream.code.len() <= LONGEST_CODE);
    }
    assert_eq!(drain(&mut stream), ["!"]);
}

#[test]
fn a_reply_may_stand_before_behind_and_between_codes() {
    assert_eq!(read(true, &[&DONE, b"ABC\r".as_slice()].concat()), ["<done>", "ABC"]);
    assert_eq!(read(true, &[b"ABC\r".as_slice(), &ALIVE].concat()), ["ABC", "<alive>"]);
    assert_eq!(read(true, &[b"ABC".as_slice(), &ALIVE, b"DEF\r"].concat()), ["ABC", "<alive>", "DEF"]);
    assert_eq!(read(true, &[DONE, ALIVE].concat()), ["<done>", "<alive>"]);
}

#[test]
fn noise_that_begins_as_a_reply_inside_a_code_spoils_the_code() {
    assert_eq!(read(true, b"28123456\x02789\rOK\r"), ["!", "OK"]);
    let mut stream = Stream::new(true);
    stream.feed(at(0), b"28123456\x02");
    stream.expire(at(500));
    assert_eq!(drain(&mut stream), ["!"]);
    stream.feed(at(600), b"OK\r");
    assert_eq!(drain(&mut stream), ["OK"]);
}

proptest! {
    #[test]
    fn how_bytes_are_cut_into_reads_changes_nothing(
        parts in proptest::collection::vec(
            prop_oneof![
                "[ -~]{0,40}\r".prop_map(String::into_bytes),
                Just(DONE.to_vec()), Just(ALIVE.to_vec()),
                proptest::collection::vec(any::<u8>(), 0..12),
            ], 0..8),
        cuts in proptest::collection::vec(1usize..20, 0..40),
    ) {
        let bytes = parts.concat();
        let mut whole = Stream::new(true);
        whole.feed(at(0), &bytes);
        whole.expire(at(600));
        let mut cut = Stream::new(true);
        let mut rest = bytes.as_slice();
        for length in cuts {
            let (now, later) = rest.split_at(length.min(rest.len()));
            cut.feed(at(0), now);
            rest = later;
        }
        cut.feed(at(0), rest);
        cut.expire(at(600));
        prop_assert_eq!(drain(&mut whole), drain(&mut cut));
    }
}
