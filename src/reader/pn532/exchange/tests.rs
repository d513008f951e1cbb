use super::*;

const FIRMWARE: [u8; 13] = [0x00, 0x00, 0xFF, 0x06, 0xFA, 0xD5, 0x03, 0x32, 0x01, 0x06, 0x07, 0xE8, 0x00];
const ASK_FIRMWARE: [u8; 9] = [0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD4, 0x02, 0x2A, 0x00];
const ERROR: [u8; 8] = [0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00];

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000)
}

/// An exchange with GetFirmwareVersion on its way since time 0.
fn asked() -> Exchange {
    let mut exchange = Exchange::new(Timing::default());
    exchange.send(at(0), Command::GetFirmwareVersion);
    assert_eq!(words(&mut exchange), ["write 0000FF02FED4022A00"]);
    exchange
}

fn words(exchange: &mut Exchange) -> Vec<String> {
    std::iter::from_fn(|| exchange.poll())
        .map(|output| match output {
            Output::Write(b) if b.expose() == frame::ACK => "stop".into(),
            Output::Write(b) if b.expose() == frame::NACK => "nack".into(),
            Output::Write(b) => format!("write {}", b.expose().iter().map(|b| format!("{b:02X}")).collect::<String>()),
            Output::Answered(Answer::Firmware(f)) => format!("firmware {f}"),
            Output::Answered(_) => "answered".into(),
            Output::Failed(trouble) => format!("{trouble:?}"),
        })
        .collect()
}

/// Lets time run until nothing is due; all that comes out.
fn run_out(exchange: &mut Exchange) -> Vec<String> {
    let mut all = words(exchange);
    let mut steps = 0;
    while let Some(due) = exchange.deadline() {
        exchange.expire(due);
        all.extend(words(exchange));
        steps += 1;
        assert!(steps < 100, "the exchange does not end: {all:?}");
    }
    all
}

#[test]
fn a_good_exchange_is_two_frames_and_one_answer() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::ACK);
    assert_eq!(words(&mut exchange), [""; 0]);
    exchange.received(at(2), &FIRMWARE);
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
    assert_eq!(exchange.deadline(), None);
    assert_eq!(exchange.statistics(), &Statistics { frames: 2, ..Statistics::default() });
}

#[test]
fn silence_is_met_by_repeats_and_then_named() {
    let mut exchange = asked();
    let repeat = "write 0000FF02FED4022A00";
    assert_eq!(run_out(&mut exchange), ["stop", repeat, "stop", repeat, "stop", "Silent"]);
    assert_eq!((exchange.statistics().ack_timeouts, exchange.statistics().resends), (3, 2));
}

#[test]
fn an_ack_without_an_answer_is_another_fault_than_silence() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::ACK);
    assert_eq!(exchange.deadline(), Some(at(501)));
    assert_eq!(run_out(&mut exchange), ["stop", "NoAnswer"]);
}

#[test]
fn a_damaged_answer_is_asked_for_again_without_waiting() {
    let mut exchange = asked();
    let mut bad = FIRMWARE;
    bad[8] ^= 4;
    exchange.received(at(1), &frame::ACK);
    exchange.received(at(2), &bad);
    assert_eq!(words(&mut exchange), ["nack"]);
    exchange.received(at(3), &FIRMWARE);
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
    assert_eq!((exchange.statistics().nacks, exchange.statistics().framing_errors), (1, 1));
}

#[test]
fn an_answer_cut_short_is_asked_for_again_once_the_line_is_silent() {
    for cut in 3..12 {
        let mut exchange = asked();
        exchange.received(at(1), &frame::ACK);
        exchange.received(at(2), &FIRMWARE[..cut]);
        assert_eq!(exchange.deadline(), Some(at(52)), "cut at {cut}");
        exchange.expire(at(52));
        assert_eq!(words(&mut exchange), ["nack"], "cut at {cut}");
        exchange.received(at(60), &FIRMWARE);
        assert_eq!(words(&mut exchange), ["firmware 1.6"]);
    }
}

#[test]
fn a_slow_answer_is_not_taken_for_a_cut_one() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::ACK);
    for (i, byte) in (0u64..).zip(FIRMWARE) {
        exchange.received(at(2 + i * 35), &[byte]);
        exchange.expire(at(36 + i * 35));
    }
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
}

#[test]
fn answers_that_stay_damaged_end_as_garbled() {
    let mut exchange = asked();
    let mut bad = FIRMWARE;
    bad[8] ^= 4;
    exchange.received(at(1), &frame::ACK);
    (2..5).for_each(|ms| exchange.received(at(ms), &bad));
    assert_eq!(run_out(&mut exchange), ["nack", "nack", "stop", "Garbled"]);
}

#[test]
fn an_error_frame_refuses_the_command() {
    let mut exchange = asked();
    exchange.received(at(1), &[&frame::ACK[..], &ERROR].concat());
    assert_eq!(run_out(&mut exchange), ["Refused"]);
    assert_eq!(exchange.statistics().error_frames, 1);
}

#[test]
fn a_chip_that_says_nack_gets_the_command_again() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::NACK);
    assert_eq!(words(&mut exchange), ["stop"]);
    exchange.expire(at(11));
    assert_eq!(words(&mut exchange), ["write 0000FF02FED4022A00"]);
}

#[test]
fn a_damaged_ack_does_not_cost_the_answer() {
    let mut exchange = asked();
    exchange.received(at(1), &[0x00, 0x00, 0xFF, 0x00, 0xFE, 0x00]);
    exchange.received(at(2), &FIRMWARE);
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
}

#[test]
fn an_old_answer_before_the_ack_is_not_taken() {
    let mut exchange = asked();
    exchange.received(at(1), &FIRMWARE);
    assert_eq!(words(&mut exchange), [""; 0]);
    assert_eq!(exchange.statistics().stale_frames, 1);
    exchange.received(at(2), &[&frame::ACK[..], &FIRMWARE].concat());
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
}

#[test]
fn the_answer_to_another_command_is_passed_over() {
    let mut exchange = asked();
    let other = frame::encode(&[0xD5, 0x41, 0x00, 0x90, 0x00]).unwrap();
    exchange.received(at(1), &[&frame::ACK[..], other.expose(), &FIRMWARE].concat());
    assert_eq!(words(&mut exchange), ["firmware 1.6"]);
    assert_eq!(exchange.statistics().stale_frames, 1);
}

#[test]
fn a_stop_lets_late_bytes_pass_before_the_next_command() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::ACK);
    exchange.abort(at(2));
    exchange.received(at(3), &FIRMWARE);
    exchange.send(at(4), Command::SamConfiguration);
    assert_eq!(words(&mut exchange), ["stop"]);
    exchange.expire(at(12));
    assert_eq!(words(&mut exchange), ["write 0000FF03FDD414011700"]);
}

#[test]
fn a_new_command_stops_the_old_one() {
    let mut exchange = asked();
    exchange.received(at(1), &frame::ACK);
    exchange.send(at(2), Command::SamConfiguration);
    assert_eq!(words(&mut exchange), ["stop"]);
    exchange.expire(at(12));
    assert_eq!(words(&mut exchange), ["write 0000FF03FDD414011700"]);
}

#[test]
fn every_single_bit_error_in_ack_and_answer_ends_in_an_answer_or_a_named_trouble() {
    let good = [&frame::ACK[..], &FIRMWARE].concat();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut exchange = asked();
        exchange.received(at(1), &bytes);
        let mut got = words(&mut exchange);
        let mut steps = 0;
        // A chip that resends its answer for a NACK and answers a repeated command.
        while got.last().is_none_or(|w| w.starts_with("write") || matches!(w.as_str(), "nack" | "stop")) {
            let last = got.last().cloned().unwrap_or_default();
            let now = exchange.deadline().unwrap_or(at(1));
            match last.as_str() {
                "nack" => exchange.received(now, &FIRMWARE),
                w if w.starts_with("write") => exchange.received(now, &good),
                _ => exchange.expire(now),
            }
            got.extend(words(&mut exchange));
            steps += 1;
            assert!(steps < 50, "bit {bit}: {got:?}");
        }
        let end = got.last().unwrap().as_str();
        assert!(matches!(end, "firmware 1.6" | "Garbled" | "Refused"), "bit {bit}: {got:?}");
        assert!(end == "firmware 1.6", "one bit error must not cost the answer: bit {bit}: {got:?}");
    }
}

#[test]
fn the_frames_are_byte_exact() {
    let mut exchange = Exchange::new(Timing::default());
    exchange.send(at(0), Command::GetFirmwareVersion);
    assert!(exchange.poll() == Some(Output::Write(SecretBytes::new(ASK_FIRMWARE.to_vec()))));
}
