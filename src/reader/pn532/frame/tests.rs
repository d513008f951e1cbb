use proptest::prelude::*;

use super::*;

/// Frames and errors as words, bodies as hex: what a test may print of made-up data.
fn read_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(item) = decoder.next(&mut bytes) {
        words.push(match item {
            Ok(Frame::Body(body)) => body.expose().iter().map(|b| format!("{b:02X}")).collect(),
            Ok(frame) => frame.kind().to_owned(),
            Err(error) => format!("{error:?}"),
        });
    }
    words
}

fn read(bytes: &[u8]) -> Vec<String> {
    read_all(&mut Decoder::default(), bytes)
}

const FIRMWARE: [u8; 13] = [0x00, 0x00, 0xFF, 0x06, 0xFA, 0xD5, 0x03, 0x32, 0x01, 0x06, 0x07, 0xE8, 0x00];

#[test]
fn every_kind_of_frame_is_read() {
    assert_eq!(read(&ACK), ["ack"]);
    assert_eq!(read(&NACK), ["nack"]);
    assert_eq!(read(&[0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00]), ["error"]);
    assert_eq!(read(&FIRMWARE), ["D50332010607"]);
    let long = [vec![0xD5, 0x41], vec![7; 263]].concat();
    let frame = encode(&long).unwrap();
    assert_eq!(frame.expose().get(..8).unwrap(), [0x00, 0x00, 0xFF, 0xFF, 0xFF, 0x01, 0x09, 0xF6]);
    assert_eq!(read(frame.expose()).concat().len(), 2 * 265);
}

#[test]
fn a_frame_is_read_wherever_the_stream_is_split() {
    let stream = [&ACK[..], &FIRMWARE[..], &NACK[..]].concat();
    for cut in 0..=stream.len() {
        let mut decoder = Decoder::default();
        let mut words = read_all(&mut decoder, &stream[..cut]);
        words.extend(read_all(&mut decoder, &stream[cut..]));
        assert_eq!(words, ["ack", "D50332010607", "nack"], "split at {cut}");
    }
}

#[test]
fn a_frame_does_not_wait_for_its_postamble() {
    assert_eq!(read(&FIRMWARE[..12]), ["D50332010607"]);
    assert_eq!(read(&ACK[..5]), ["ack"]);
}

#[test]
fn any_number_of_preamble_bytes_is_silent() {
    let stream = [&[0x55, 0x00, 0x00, 0x55][..], &[0; 40], &[0x55; 9], &FIRMWARE].concat();
    assert_eq!(read(&stream), ["D50332010607"]);
}

#[test]
fn noise_is_reported_once_and_the_frame_behind_it_is_read() {
    let stream = [&[0x13, 0x37, 0xFF, 0xFE][..], &FIRMWARE].concat();
    assert_eq!(read(&stream), ["Noise", "D50332010607"]);
    let mut decoder = Decoder::default();
    let mut words = Vec::new();
    for byte in [0x13, 0x37, 0x42].iter().chain(&FIRMWARE) {
        words.extend(read_all(&mut decoder, std::slice::from_ref(byte)));
    }
    assert_eq!(words, ["Noise", "D50332010607"]);
}

#[test]
fn damaged_frames_are_named_and_the_next_one_is_read() {
    let mut length = FIRMWARE;
    length[4] ^= 1;
    let mut body = FIRMWARE;
    body[8] ^= 0x10;
    let too_long = [0x00, 0x00, 0xFF, 0xFF, 0xFF, 0x01, 0x0A, 0xF5];
    for (bad, name) in [(&length[..], "Length"), (&body, "Checksum"), (&too_long, "TooLong")] {
        let words = read(&[bad, &ACK].concat());
        assert_eq!(words.first().map(String::as_str), Some(name));
        assert_eq!(words.last().map(String::as_str), Some("ack"));
    }
}

#[test]
fn a_lost_byte_costs_one_frame_only() {
    for lost in 2..FIRMWARE.len() - 1 {
        let mut short = FIRMWARE.to_vec();
        short.remove(lost);
        let stream = [&short[..], &FIRMWARE, &ACK, &FIRMWARE].concat();
        let words = read(&stream);
        assert!(words.iter().filter(|w| *w == "D50332010607").count() >= 2, "byte {lost} lost: {words:?}");
    }
}

#[test]
fn silence_within_a_frame_ends_it() {
    let mut decoder = Decoder::default();
    assert!(read_all(&mut decoder, &FIRMWARE[..7]).is_empty());
    assert!(decoder.mid_frame());
    assert_eq!(decoder.cut(), Some(FrameError::Truncated));
    assert!(read_all(&mut decoder, &[]).is_empty());
    assert_eq!(decoder.cut(), None);
    assert_eq!(read_all(&mut decoder, &FIRMWARE), ["D50332010607"]);
}

#[test]
fn a_frame_swallowed_by_a_broken_one_comes_out_when_the_line_falls_silent() {
    let mut decoder = Decoder::default();
    let mut swallowing = vec![0x00, 0x00, 0xFF, 0x40, 0xC0, 0xD5, 0x41];
    swallowing.extend_from_slice(&FIRMWARE);
    assert!(read_all(&mut decoder, &swallowing).is_empty());
    assert_eq!(decoder.cut(), Some(FrameError::Truncated));
    assert_eq!(read_all(&mut decoder, &[]), ["D50332010607"]);
}

#[test]
fn an_empty_or_oversized_body_is_refused() {
    assert_eq!(encode(&[]).err(), Some(BodyLength(0)));
    assert_eq!(encode(&[0; 266]).err(), Some(BodyLength(266)));
}

#[test]
fn host_frames_are_those_an_independent_driver_sends() {
    assert_eq!(
        encode(&[0xD4, 0x14, 0x01]).unwrap().expose(),
        [0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x14, 0x01, 0x17, 0]
    );
    assert_eq!(encode(&[0xD4, 0x02]).unwrap().expose(), [0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD4, 0x02, 0x2A, 0x00]);
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(body in prop::collection::vec(any::<u8>(), 1..=MAX_BODY)) {
        prop_assume!(body != [ERROR_TFI]);
        let frame = encode(&body).unwrap();
        let words = read(frame.expose());
        prop_assert_eq!(words, vec![body.iter().map(|b| format!("{b:02X}")).collect::<String>()]);
    }

    #[test]
    fn any_bytes_in_any_pieces_are_survived_with_bounded_memory(
        pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), Just(0xFF), any::<u8>()], 0..600), 0..8)
    ) {
        let mut decoder = Decoder::default();
        for piece in &pieces {
            read_all(&mut decoder, piece);
            prop_assert!(decoder.held.len() <= MAX_FRAME);
            prop_assert_eq!(decoder.held.capacity(), MAX_FRAME);
        }
    }

    #[test]
    fn how_a_stream_is_split_changes_nothing(
        stream in prop::collection::vec(prop_oneof![Just(0u8), Just(0xFF), Just(1), any::<u8>()], 0..400),
        at in any::<prop::sample::Index>(),
    ) {
        let whole = read(&stream);
        let cut = at.index(stream.len() + 1);
        let mut decoder = Decoder::default();
        let mut split = read_all(&mut decoder, &stream[..cut]);
        split.extend(read_all(&mut decoder, &stream[cut..]));
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn a_frame_behind_noise_without_a_start_code_is_always_found(
        noise in prop::collection::vec(1..=0xFEu8, 0..100),
        body in prop::collection::vec(any::<u8>(), 2..40),
    ) {
        let stream = [noise, encode(&body).unwrap().expose().to_vec()].concat();
        let words = read(&stream);
        prop_assert_eq!(words.last().cloned(), Some(body.iter().map(|b| format!("{b:02X}")).collect::<String>()));
    }
}
