//! Why a payment cannot be accepted offline, and what the person in front of the terminal does about it.

use crate::app::posctl::text::pick;
use crate::domain::offline::OfflineRefusal;
use crate::domain::prompt::Language;

/// The same for evidence that begins with a rule's word.
pub fn explain_evidence(evidence: &str, language: Language) -> Option<(&'static str, &'static str)> {
    explain(evidence.split(':').next().unwrap_or_default(), language)
}

/// What the rule says and what to do. `None`: not a rule's word.
pub fn explain(word: &str, language: Language) -> Option<(&'static str, &'static str)> {
    let refusal = OfflineRefusal::from_word(word)?;
    Some(pick(language, zh(refusal), en(refusal)))
}

fn en(refusal: OfflineRefusal) -> (&'static str, &'static str) {
    match refusal {
        OfflineRefusal::Disabled => {
            ("the acquirer's profile does not allow offline payments", "take it online, or by another way")
        }
        OfflineRefusal::Amount => ("too large for an offline payment", "take it online, or by another way"),
        OfflineRefusal::Sum => ("the unsent payments together are too large", "send them first: posctl queue drain"),
        OfflineRefusal::Count => ("too many payments are unsent", "send them first: posctl queue drain"),
        OfflineRefusal::Age => {
            ("an unsent payment is too old", "send it: posctl queue drain; a held one: posctl queue list --held")
        }
        OfflineRefusal::SignInAge => ("the last sign-in with the acquirer is too long ago", "posctl sign-in"),
        OfflineRefusal::Card => {
            ("this card has been used offline often enough today", "take it online, or another card")
        }
        OfflineRefusal::Denied => ("this card is on the deny list", "take it online, or another card"),
        OfflineRefusal::OnlinePin => {
            ("a PIN is needed that only the bank can check", "take it online, or another card")
        }
        OfflineRefusal::Expired => ("the card has expired", "another card"),
        OfflineRefusal::Incomplete => ("the card's chip did not give all that is needed", "tap again, or another card"),
        OfflineRefusal::Clock => ("the clock cannot be trusted", "set the time, or sign in: posctl sign-in"),
        OfflineRefusal::Storage => ("the disk is nearly full", "make room, or replace the storage"),
        OfflineRefusal::Stopped => ("the acquirer has stopped this terminal", "call the acquirer"),
    }
}

fn zh(refusal: OfflineRefusal) -> (&'static str, &'static str) {
    match refusal {
        OfflineRefusal::Disabled => ("收单配置不允许脱机交易", "请联机收款，或换其他方式"),
        OfflineRefusal::Amount => ("超过单笔脱机限额", "请联机收款，或换其他方式"),
        OfflineRefusal::Sum => ("未上送交易总额已达上限", "请先上送：posctl queue drain"),
        OfflineRefusal::Count => ("未上送交易笔数已达上限", "请先上送：posctl queue drain"),
        OfflineRefusal::Age => ("有未上送交易超过时限", "请上送：posctl queue drain；挂起的：posctl queue list --held"),
        OfflineRefusal::SignInAge => ("距上次签到太久", "请签到：posctl sign-in"),
        OfflineRefusal::Card => ("此卡今天脱机次数已满", "请联机收款，或换一张卡"),
        OfflineRefusal::Denied => ("此卡已被禁止脱机使用", "请联机收款，或换一张卡"),
        OfflineRefusal::OnlinePin => ("需要联机验证密码", "请联机收款，或换一张卡"),
        OfflineRefusal::Expired => ("卡已过期", "请换一张卡"),
        OfflineRefusal::Incomplete => ("卡片芯片数据不全", "请重新挥卡，或换一张卡"),
        OfflineRefusal::Clock => ("时钟不可信", "请校准时间，或签到：posctl sign-in"),
        OfflineRefusal::Storage => ("存储空间不足", "请清理空间或更换存储"),
        OfflineRefusal::Stopped => ("收单机构已停用本终端", "请联系收单机构"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_what_and_what_to_do_in_both_languages() {
        for refusal in OfflineRefusal::ALL {
            let (what, remedy) = explain(refusal.as_str(), Language::En).unwrap();
            assert!(what.is_ascii() && what.len() > 8 && remedy.is_ascii() && remedy.len() > 8, "{refusal}");
            let (what, remedy) = explain(refusal.as_str(), Language::Zh).unwrap();
            assert!(!what.is_ascii() && !remedy.is_ascii(), "{refusal}");
        }
        assert_eq!(explain("no address answers", Language::En), None);
        let told = explain_evidence("offline-sum: more than 5000", Language::En);
        assert_eq!(told, explain("offline-sum", Language::En));
        assert_eq!(explain_evidence("no route: offline-sum", Language::En), None);
    }
}
