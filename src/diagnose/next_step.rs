//! The next step in every state of the terminal, for whoever stands before it.

use crate::diagnose::catalogue::entry;
use crate::diagnose::text::Text;
use crate::domain::cause::Cause;
use crate::domain::outcome::TerminalState;

/// What the step depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the terminal is doing.
    pub state: TerminalState,
    /// Why it is not well, if it is not.
    pub cause: Option<Cause>,
    /// Whether a supervisor exists; without one nothing else can be done.
    pub supervisor_set: bool,
}

/// What to do next.
pub const fn next_step(facts: Facts) -> Text {
    if !facts.supervisor_set {
        return Text::new(
            "首次使用，请先设主管：posctl operator set 01 --role supervisor",
            "first run: set a supervisor with posctl operator set 01 --role supervisor",
        );
    }
    if let Some(cause) = facts.cause {
        return entry(cause).remedy;
    }
    match facts.state {
        TerminalState::Starting => Text::new("正在启动，请稍候", "it is starting; wait a moment"),
        TerminalState::SignedOut => Text::new("请签到：posctl sign-in", "sign in: posctl sign-in"),
        TerminalState::SigningIn => Text::new("正在签到，请稍候", "it is signing in; wait a moment"),
        TerminalState::Ready => Text::new("可以收款：posctl sale 金额", "take a payment: posctl sale AMOUNT"),
        TerminalState::Busy => Text::new("请按提示完成这笔付款", "follow the prompts of the payment under way"),
        TerminalState::Degraded => {
            Text::new("设备被某个程序占用，请结束它", "a program holds a device: let it finish, or end it")
        }
        TerminalState::OutOfService => {
            Text::new("请查看日志：journalctl -x -u smartposd", "see the journal: journalctl -x -u smartposd")
        }
    }
}

/// What to do next in training, as long as nothing is wrong.
pub const IN_TRAINING: Text = Text::new(
    "可以练习：posctl sale --training 金额，posctl drill list；结束培训：posctl training stop",
    "practise: posctl sale --training AMOUNT, posctl drill list; to end the training: posctl training stop",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_step_in_every_state_whatever_the_cause() {
        for state in TerminalState::ALL {
            for cause in Cause::ALL.iter().copied().map(Some).chain([None]) {
                let step = next_step(Facts { state: *state, cause, supervisor_set: true });
                assert!(step.en.is_ascii() && step.en.len() > 8 && !step.zh.is_ascii(), "{state} {cause:?}");
                assert!(cause.is_none_or(|cause| step == entry(cause).remedy), "{state} {cause:?}");
                let first = next_step(Facts { state: *state, cause, supervisor_set: false });
                assert!(first.en.contains("supervisor"), "{state} {cause:?}");
            }
        }
    }
}
