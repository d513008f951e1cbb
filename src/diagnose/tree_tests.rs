//! The decision tree: tables of what is found and who is to blame, and what must hold for anything that can be found.

use proptest::prelude::*;

use super::tree::judge;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Class, Fault, Finding, Found, Step};

use Fault::{AcquirerUnknown, Certificate, NameUnknown, NoByte, NoCarrier, NoNameServer, NoRoute, Overdue, Refused};
use Fault::{Known, NoAddress, Silent, Unreachable, Weak, WebPage};
use Found::{Failed, NotNeeded, NotRun, Worked};

fn verdict(found: &[(Step, Found)]) -> Option<Cause> {
    judge(found.iter().map(|(step, found)| Finding::new(*step, *found, step.as_str())).collect(), 1).cause
}

/// The own network as it is when all is well with it.
const SOUND: [(Step, Found); 3] = [(Step::Link, Worked), (Step::Address, Worked), (Step::Gateway, Worked)];

fn sound(rest: &[(Step, Found)]) -> Option<Cause> {
    let but = |step: Step| rest.iter().all(|(other, _)| *other != step);
    let base = SOUND.iter().filter(|(step, _)| but(*step));
    verdict(&base.chain(rest).copied().collect::<Vec<_>>())
}

#[test]
fn nothing_found_and_everything_well_blame_nobody() {
    assert_eq!(verdict(&[]), None);
    assert_eq!(sound(&[(Step::Host, Worked)]), None);
    // A deaf router, a missing name server and silent others do not matter to a host that answers.
    let odd = [(Step::Gateway, Failed(Silent)), (Step::Names, Failed(NoNameServer)), (Step::Control, Failed(Silent))];
    assert_eq!(sound(&[&odd[..], &[(Step::Host, Worked)]].concat()), None);
}

#[test]
fn the_shop_or_the_bank_by_contrast() {
    let acquirer = |fault| (Step::Acquirer, Failed(fault));
    let (answers, silent) = ((Step::Control, Worked), (Step::Control, Failed(Silent)));
    let cases: [(&[(Step, Found)], Cause); 17] = [
        (&[acquirer(Silent), answers], Cause::N05),
        (&[acquirer(Refused), answers], Cause::N05),
        // A refusal comes from beyond the shop even where nobody else answers (a private line).
        (&[acquirer(Refused), silent], Cause::N05),
        (&[acquirer(Refused), (Step::Control, Failed(Refused))], Cause::N06),
        (&[acquirer(Silent), silent], Cause::N06),
        (&[acquirer(Unreachable), silent], Cause::N06),
        (&[acquirer(Silent), silent, (Step::Gateway, Failed(Silent))], Cause::N03),
        (&[acquirer(Silent), silent, (Step::Link, Failed(Weak))], Cause::N07),
        (&[acquirer(Silent), silent, (Step::Link, Failed(NoCarrier))], Cause::N01),
        (&[acquirer(Unreachable), silent, (Step::Address, Failed(NoAddress))], Cause::N02),
        (&[acquirer(Unreachable), silent, (Step::Address, Failed(NoRoute))], Cause::N02),
        (&[(Step::Host, Failed(NoByte)), answers], Cause::N10),
        (&[(Step::Host, Failed(Overdue)), answers], Cause::B06),
        (&[(Step::Host, Failed(Overdue)), answers, (Step::Gateway, Failed(Weak))], Cause::B06),
        (&[acquirer(Silent), silent, (Step::Gateway, Failed(Weak))], Cause::N07),
        (&[(Step::Host, Failed(Known(Cause::S06))), (Step::Gateway, Failed(Weak))], Cause::S06),
        // The standing connection is dead, and nobody else answers either.
        (&[(Step::Host, Failed(Overdue)), acquirer(Silent), silent], Cause::N06),
    ];
    for (found, cause) in cases {
        assert_eq!(sound(found), Some(cause), "{found:?}");
    }
}

#[test]
fn names_are_blamed_only_where_they_are_needed_and_nobody_is_found_by_name() {
    let (address, name) = ((Step::Control, Worked), (Step::ControlByName, Worked));
    let nameless = (Step::ControlByName, Failed(NameUnknown));
    let deaf = (Step::ControlByName, Failed(Silent));
    let down = (Step::Acquirer, Failed(Silent));
    let cases: [(&[(Step, Found)], Cause); 6] = [
        (&[(Step::Names, Failed(NoNameServer)), address, nameless], Cause::N04),
        (&[(Step::Names, Failed(NameUnknown)), address, nameless], Cause::N04),
        (&[(Step::Names, Failed(AcquirerUnknown)), address, name], Cause::N05),
        (&[(Step::Names, Worked), down, address, deaf], Cause::N04),
        (&[(Step::Names, NotNeeded), down, address, deaf], Cause::N05),
        (&[(Step::Names, Worked), down, address, name], Cause::N05),
    ];
    for (found, cause) in cases {
        assert_eq!(sound(found), Some(cause), "{found:?}");
    }
}

#[test]
fn somebody_else_in_the_hosts_place() {
    let certificate = (Step::Tls, Failed(Certificate));
    assert_eq!(sound(&[certificate, (Step::Control, Worked)]), Some(Cause::N09));
    // Dates cannot be judged by a wrong clock.
    assert_eq!(sound(&[certificate, (Step::Clock, Failed(Known(Cause::P01)))]), Some(Cause::P01));
    assert_eq!(sound(&[(Step::Host, Failed(WebPage)), (Step::Control, Worked)]), Some(Cause::N08));
    // A log-in page that answers for everybody acquits nobody.
    let everywhere = [(Step::Portal, Failed(WebPage)), (Step::Control, Worked), (Step::Acquirer, Failed(Silent))];
    assert_eq!(sound(&everywhere), Some(Cause::N08));
}

#[test]
fn without_a_contrast_the_likeliest_is_named_and_said_to_be_unsure() {
    let found = [Finding::new(Step::Acquirer, Failed(Silent), ""), Finding::new(Step::Control, NotRun, "")];
    let verdict = judge(found.to_vec(), 1);
    assert_eq!((verdict.cause, verdict.sure), (Some(Cause::N05), false));
}

#[test]
fn what_the_daemon_knows_comes_after_the_network_and_the_terminal_before_its_devices() {
    let known = |step, cause| (step, Failed(Known(cause)));
    let reader = known(Step::Reader, Cause::H01);
    assert_eq!(sound(&[(Step::Host, Worked), reader]), Some(Cause::H01));
    assert_eq!(sound(&[reader, (Step::Acquirer, Failed(Silent)), (Step::Control, Worked)]), Some(Cause::N05));
    assert_eq!(sound(&[(Step::Host, Worked), reader, known(Step::Terminal, Cause::B02)]), Some(Cause::B02));
    assert_eq!(sound(&[(Step::Host, Worked), reader, known(Step::Operator, Cause::O03)]), Some(Cause::H01));
    assert_eq!(sound(&[(Step::Host, NotRun), known(Step::Storage, Cause::P02)]), Some(Cause::P02));
}

#[test]
fn a_verdict_is_a_plain_value() {
    let found =
        [Finding::new(Step::Acquirer, Failed(Silent), "no answer"), Finding::new(Step::Control, Worked, "there")];
    let json = serde_json::to_value(judge(found.to_vec(), 7)).unwrap();
    assert_eq!((&json["cause"], &json["class"], &json["step"]), (&"N05".into(), &"bank".into(), &"acquirer".into()));
    assert_eq!(json["ruled_out"], serde_json::json!(["control"]));
    assert!(json["evidence"].as_str().unwrap().contains("no answer; there"));
}

fn faults() -> impl Strategy<Value = Found> {
    let faults = [
        Fault::NoInterface,
        NoCarrier,
        Weak,
        NoAddress,
        NoRoute,
        Silent,
        Refused,
        Unreachable,
        NoNameServer,
        NameUnknown,
        AcquirerUnknown,
        WebPage,
        Certificate,
        NoByte,
        Overdue,
    ];
    prop_oneof![
        3 => Just(Worked),
        4 => proptest::sample::select(faults.to_vec()).prop_map(Failed),
        1 => Just(NotRun),
        1 => Just(NotNeeded),
        1 => Just(Found::TimedOut),
    ]
}

fn anything() -> impl Strategy<Value = Vec<(Step, Found)>> {
    let network: Vec<Step> = Step::ALL.iter().copied().filter(|step| *step <= Step::Host).collect();
    network.into_iter().map(|step| faults().prop_map(move |found| (step, found))).collect::<Vec<_>>()
}

fn with(mut found: Vec<(Step, Found)>, step: Step, as_found: Found) -> Vec<(Step, Found)> {
    found.iter_mut().filter(|(other, _)| *other == step).for_each(|(_, was)| *was = as_found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answering_host_acquits_the_whole_network(found in anything()) {
        prop_assert_eq!(verdict(&with(found, Step::Host, Worked)), None);
    }

    #[test]
    fn a_control_host_that_answers_acquits_cable_address_router_and_provider(found in anything(), named in any::<bool>()) {
        let step = if named { Step::ControlByName } else { Step::Control };
        let cause = verdict(&with(found, step, Worked));
        let shop = [Cause::N01, Cause::N02, Cause::N03, Cause::N06, Cause::N07];
        prop_assert!(cause.is_none_or(|cause| !shop.contains(&cause)), "{:?}", cause);
        if named {
            prop_assert_ne!(cause, Some(Cause::N04));
        }
    }

    #[test]
    fn where_nobody_outside_answers_the_bank_is_not_blamed_for_silence(found in anything()) {
        let mut found = found;
        for step in [Step::Control, Step::ControlByName, Step::Acquirer] {
            found = with(found, step, Failed(Silent));
        }
        for (step, as_found) in [(Step::Portal, Worked), (Step::Tls, NotRun), (Step::Host, Failed(Overdue))] {
            found = with(found, step, as_found);
        }
        let class = Class::of(verdict(&found));
        prop_assert_eq!(class, Class::ShopNetwork);
    }

    #[test]
    fn nobody_is_both_blamed_and_ruled_out(found in anything()) {
        let findings = found.iter().map(|(step, found)| Finding::new(*step, *found, "")).collect();
        let verdict = judge(findings, 1);
        prop_assert!(verdict.step.is_none_or(|step| !verdict.ruled_out.contains(&step)));
        prop_assert_eq!(verdict.cause.is_some(), verdict.step.is_some());
    }
}
