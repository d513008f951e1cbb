//! The drills: their words, stages and rules. Data only.

use super::{Deed, Drill, DrillName, Goal, Rule, Stage};
use crate::diagnose::text::Text;

/// The drill of a name.
pub const fn drill(name: DrillName) -> &'static Drill {
    match name {
        DrillName::NetworkCut => &NETWORK_CUT,
        DrillName::HostDown => &HOST_DOWN,
        DrillName::ReaderGone => &READER_GONE,
        DrillName::WrongPassword => &WRONG_PASSWORD,
        DrillName::PowerCut => &POWER_CUT,
    }
}

const fn stage(deed: Deed, goal: Goal, within: u64, zh: &'static str, en: &'static str) -> Stage {
    Stage { say: Text::new(zh, en), deed, goal, within }
}

/// Every drill begins here.
const PREPARE: Stage = stage(
    Deed::Mend,
    Goal::Ready,
    120,
    "准备：操作员签到，终端显示可以收款（posctl status）",
    "To begin: an operator signed in, and the terminal ready (posctl status)",
);
const PREPARE_WITHOUT_HOST: Stage = Stage { deed: Deed::Nothing, ..PREPARE };

/// How most of them end.
const SELL: Stage = stage(
    Deed::Nothing,
    Goal::OneIsApproved,
    180,
    "现在重新收款：新的一笔，posctl sale --training 金额",
    "Now sell again, as a new payment: posctl sale --training AMOUNT",
);

static NETWORK_CUT: Drill = Drill {
    title: Text::new("付款途中断网", "the network is cut during a payment"),
    happens: Text::new(
        "银行已收到请求，应答没有回来：这一笔可能已扣款，也可能没有",
        "the request has left and no answer comes: the customer may have been charged, or not",
    ),
    right: Text::new(
        "不再收款；告诉顾客“正在核对，请稍候”；等终端自己冲正，看到已冲正再收一次",
        "do not charge again; tell the customer that it is being checked; wait until the terminal has reversed it by \
         itself, then sell once more",
    ),
    judged: Text::new(
        "结果未知时没有第二笔；没有重启终端；冲正后重新收款成功",
        "no second payment while the result is open, no restart, and a good payment after the reversal",
    ),
    stages: &[
        PREPARE,
        stage(
            Deed::CutLine,
            Goal::OneIsUnknown,
            240,
            "收一笔款：posctl sale --training 12.34（或用收银软件），请顾客挥卡，等结果",
            "Make a payment: posctl sale --training 12.34 (or your app), let the card be shown, and wait for the result",
        ),
        stage(
            Deed::Nothing,
            Goal::Quiet(8),
            60,
            "结果未知。现在该怎么做？（网络稍后恢复）",
            "The result is not known. What do you do now? (The network comes back in a moment.)",
        ),
        stage(
            Deed::Mend,
            Goal::OneIsReversed,
            180,
            "网络已恢复，终端正在冲正；用 posctl transactions 看它何时变为已取消",
            "The network is back and the terminal reverses the payment; posctl transactions shows when it is cancelled",
        ),
        SELL,
    ],
    rules: &[Rule::NotAgainWhileUnknown, Rule::NoRestart],
};

static HOST_DOWN: Drill = Drill {
    title: Text::new("银行主机停机", "the bank's host is down"),
    happens: Text::new(
        "连接不上收单主机：请求没有发出，没有扣款",
        "the acquirer's host takes no connection: nothing is sent, nothing is charged",
    ),
    right: Text::new(
        "告诉顾客没有扣款，请换方式付款或稍候；posctl doctor 说明是谁的问题；不要反复收款，不要重启",
        "tell the customer that nothing was charged and offer another way to pay; posctl doctor says who has to act; do \
         not try again and again, do not restart",
    ),
    judged: Text::new(
        "停机期间最多试两次；没有重启终端；恢复后收款成功",
        "at most two tries while the host is down, no restart, and a good payment when it is back",
    ),
    stages: &[
        PREPARE,
        stage(
            Deed::StopHost,
            Goal::OneIsCancelled,
            240,
            "收一笔款：posctl sale --training 12.34，看终端怎么说",
            "Make a payment: posctl sale --training 12.34, and see what the terminal says",
        ),
        stage(
            Deed::Nothing,
            Goal::Quiet(8),
            60,
            "没有扣款。现在该怎么做？（主机稍后恢复）",
            "Nothing was charged. What do you do now? (The host comes back in a moment.)",
        ),
        Stage { deed: Deed::Mend, ..SELL },
    ],
    rules: &[Rule::AtMostTries(2), Rule::NoRestart],
};

static READER_GONE: Drill = Drill {
    title: Text::new("读卡器断开", "the card reader is gone"),
    happens: Text::new("读卡器的线被拔掉，不能刷卡", "the reader's cable comes out, and no card can be read"),
    right: Text::new(
        "看 posctl status，插紧数据线，等读卡器自己恢复；不要重启终端",
        "look at posctl status, put the cable back in, wait for the reader to come back by itself; do not restart",
    ),
    judged: Text::new(
        "读卡器断开又恢复；没有重启终端；之后收款成功",
        "the reader was gone and came back, no restart, and a good payment afterwards",
    ),
    stages: &[
        PREPARE_WITHOUT_HOST,
        stage(
            Deed::Nothing,
            Goal::ReaderIsGone,
            180,
            "请培训员拔掉读卡器的数据线",
            "Trainer: pull the card reader's cable out",
        ),
        stage(
            Deed::Nothing,
            Goal::ReaderIsBack,
            180,
            "不能刷卡了。现在该怎么做？",
            "No card can be read. What do you do now?",
        ),
        SELL,
    ],
    rules: &[Rule::NoRestart],
};

static WRONG_PASSWORD: Drill = Drill {
    title: Text::new("操作员密码错误", "an operator's password is wrong"),
    happens: Text::new(
        "密码输错：每错一次要等得更久，错五次就锁定",
        "the password is wrong: each wrong one makes the next wait longer, and five lock the operator",
    ),
    right: Text::new(
        "先核对操作员号，等一会儿再慢慢输；忘记了请主管重设，不要猜",
        "check the operator number, wait a moment and type slowly; a forgotten one is set anew by a supervisor, never \
         guessed",
    ),
    judged: Text::new("最多错三次，然后签到成功", "at most three wrong ones, then a good sign-in"),
    stages: &[
        PREPARE_WITHOUT_HOST,
        stage(
            Deed::Nothing,
            Goal::OperatorIsOut,
            120,
            "操作员签退：posctl operator sign-out",
            "Sign the operator out: posctl operator sign-out",
        ),
        stage(
            Deed::Nothing,
            Goal::PasswordIsWrong,
            120,
            "故意输错一次密码：posctl operator sign-in 操作员号（或用键盘）",
            "Type a wrong password once, on purpose: posctl operator sign-in NUMBER (or on the keypad)",
        ),
        stage(
            Deed::Nothing,
            Goal::OperatorIsIn,
            180,
            "密码错误。现在请正确签到",
            "It was wrong. Now sign in as it should be done",
        ),
    ],
    rules: &[Rule::AtMostWrong(3)],
};

static POWER_CUT: Drill = Drill {
    title: Text::new("付款途中断电", "the power goes during a payment"),
    happens: Text::new(
        "请求发出后断电：银行可能已扣款，收银台不知道结果",
        "the power goes when the request has left: the bank may have charged, and the till does not know",
    ),
    right: Text::new(
        "开机等待；用 posctl transactions 或同一个 --key 查这一笔；显示已冲正之前不再收款",
        "switch on and wait; look the payment up in posctl transactions or with its own --key; do not charge again \
         before it is cancelled",
    ),
    judged: Text::new(
        "结果未知时没有第二笔；终端恢复后冲正；重新收款成功",
        "no second payment while the result is open, the reversal after the restart, and a good payment then",
    ),
    stages: &[
        PREPARE,
        stage(
            Deed::LoseAnswer,
            Goal::OneIsSent,
            240,
            "收一笔款：posctl sale --training 12.34，请顾客挥卡",
            "Make a payment: posctl sale --training 12.34, and let the card be shown",
        ),
        stage(
            Deed::CutPower,
            Goal::IsUpAgain,
            120,
            "断电了！请等终端重新启动",
            "The power is gone! Wait until the terminal is back",
        ),
        stage(
            Deed::Mend,
            Goal::OneIsReversed,
            180,
            "终端已恢复。那一笔怎么样了？现在该怎么做？",
            "The terminal is back. What became of the payment? What do you do now?",
        ),
        SELL,
    ],
    rules: &[Rule::NotAgainWhileUnknown],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drill_is_told_in_both_languages_and_every_stage_has_a_deadline() {
        for name in DrillName::ALL {
            let Drill { title, happens, right, judged, stages, rules } = *drill(*name);
            let told = [title, happens, right, judged].into_iter().chain(stages.iter().map(|stage| stage.say));
            for text in told {
                assert!(!text.zh.is_ascii() && text.en.is_ascii() && text.en.len() > 12, "{name}: {text:?}");
            }
            assert!(stages.len() > 2 && !rules.is_empty(), "{name}");
            assert!(stages.iter().all(|stage| (10..=600).contains(&stage.within)), "{name}");
            let quiet = |stage: &Stage| matches!(stage.goal, Goal::Quiet(seconds) if seconds >= stage.within);
            assert!(!stages.iter().any(quiet), "{name}");
        }
    }

    #[test]
    fn what_is_broken_is_mended_before_anybody_sells() {
        for name in DrillName::ALL {
            let stages = drill(*name).stages;
            let broken = stages.iter().rposition(|s| matches!(s.deed, Deed::CutLine | Deed::StopHost));
            let mended = stages.iter().rposition(|s| s.deed == Deed::Mend);
            assert!(broken.is_none_or(|broken| mended.is_some_and(|mended| mended > broken)), "{name}");
        }
    }
}
