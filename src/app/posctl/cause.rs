//! What each cause means and what the person in front of the terminal does about it, in both languages.

use crate::app::posctl::text::pick;
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;

/// `N05 the acquirer cannot be reached`, and what to do. An unknown code stands for itself.
pub fn explain(code: &str, language: Language) -> (String, String) {
    match Cause::from_word(code) {
        Some(cause) => {
            let (what, remedy) = pick(language, zh(cause), en(cause));
            (format!("{code} {what}"), remedy.to_owned())
        }
        None => (code.to_owned(), pick(language, "请联系技术支持", "call your support").to_owned()),
    }
}

fn en(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::N01 => ("no network carrier", "plug in the network cable, or check Wi-Fi or the SIM card"),
        Cause::N02 => ("no network address", "check the router, or the network settings of this machine"),
        Cause::N03 => ("the router is silent", "restart the router"),
        Cause::N04 => ("names do not resolve", "check the DNS servers of this machine"),
        Cause::N05 => ("the acquirer cannot be reached", "check the network; if it works, call the acquirer"),
        Cause::N06 => ("nothing outside answers", "check the internet connection with its provider"),
        Cause::N07 => ("weak network link", "move the terminal or its antenna, or use a cable"),
        Cause::N08 => ("a web page answered instead of the host", "log in to the network's web page, or use another"),
        Cause::N09 => ("the host's certificate is not the right one", "do not go on; call the acquirer"),
        Cause::N10 => ("connected, but the host says nothing", "try again; if it stays so, call the acquirer"),
        Cause::H01 => ("the card reader is gone", "plug the card reader in"),
        Cause::H02 => ("the card reader is silent", "check its power, then: posctl reader reset"),
        Cause::H03 => ("the line to the card reader is noisy", "check or replace its cable"),
        Cause::H04 => ("cards are often not readable", "keep metal away from the reader; clean it"),
        Cause::H05 => ("the keypad is gone", "plug the keypad in"),
        Cause::H06 => ("a key of the keypad is stuck", "free the key, or replace the keypad"),
        Cause::H07 => ("a key of the keypad bounces", "clean or replace the keypad"),
        Cause::H08 => ("the display fails", "check the display's cable"),
        Cause::H09 => ("the tamper contact is open", "take the terminal out of use and call the service"),
        Cause::S01 => ("the daemon restarts again and again", "see the journal: journalctl -u smartposd"),
        Cause::S02 => ("the database is damaged", "do not delete anything; call the service"),
        Cause::S03 => ("the program is too old for the acquirer", "update smartposd"),
        Cause::S04 => ("the parameters are outdated", "sign in again: posctl sign-in"),
        Cause::S05 => ("the app uses an unsupported interface version", "update the app"),
        Cause::S06 => ("the host calls our message malformed", "check the acquirer's profile: posctl config check"),
        Cause::O01 => ("wrong operator password", "enter it again, or let a supervisor set a new one"),
        Cause::O02 => ("the operator is locked out", "a supervisor runs: posctl operator unlock ID"),
        Cause::O03 => ("no operator is signed in", "posctl operator sign-in ID"),
        Cause::O04 => ("unknown transaction code", "read the code again from the receipt"),
        Cause::O05 => ("card removed too early, or two cards", "hold one card still until the signal"),
        Cause::B01 => ("the bank has a fault or changes the day", "wait some minutes and try again"),
        Cause::B02 => ("this terminal is not registered", "check terminal_id and call the acquirer"),
        Cause::B03 => ("this merchant is not valid", "check merchant_id and call the acquirer"),
        Cause::B04 => ("the batch number differs", "sign in again: posctl sign-in"),
        Cause::B06 => ("the host did not answer in time", "try again; if it stays so, call the acquirer"),
        Cause::K01 => ("a message's MAC is wrong", "sign in again: posctl sign-in; if it stays so, check the keys"),
        Cause::K02 => {
            ("the host refused the PIN block", "sign in again: posctl sign-in; if it stays so, check the keys")
        }
        Cause::K03 => {
            ("a working key's check value is wrong", "compare the master key's check value with the acquirer's")
        }
        Cause::K04 => ("there is no master key", "two people run: posctl keys load --component 1 (then 2)"),
        Cause::K05 => ("the key rules of the profile are wrong", "check them: posctl config check"),
        Cause::K06 => ("the keys are older than allowed", "sign in again: posctl sign-in"),
        Cause::P01 => ("the clock cannot be trusted", "set the time, or switch time synchronisation on"),
        Cause::P02 => ("storage is full, read-only or failing", "make room, or replace the storage"),
        Cause::P03 => ("undervoltage or heat", "use a stronger power supply, or let it cool"),
        Cause::P04 => ("it was switched off without shutdown", "nothing to do; open payments are being settled"),
    }
}

fn zh(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::N01 => ("网络未连接", "请插好网线，或检查 Wi-Fi、SIM 卡"),
        Cause::N02 => ("没有网络地址", "请检查路由器或本机网络设置"),
        Cause::N03 => ("路由器无响应", "请重启路由器"),
        Cause::N04 => ("域名无法解析", "请检查本机的 DNS 设置"),
        Cause::N05 => ("连不上收单机构", "请检查网络；网络正常则联系收单机构"),
        Cause::N06 => ("外网不通", "请联系宽带运营商"),
        Cause::N07 => ("网络信号弱", "请移动终端或天线，或改用网线"),
        Cause::N08 => ("应答的是网页而不是主机", "请先在网络的登录页面登录，或换网络"),
        Cause::N09 => ("主机证书不正确", "请停止交易并联系收单机构"),
        Cause::N10 => ("已连接，但主机无应答", "请重试；仍不行则联系收单机构"),
        Cause::H01 => ("读卡器未接入", "请接好读卡器"),
        Cause::H02 => ("读卡器无响应", "请检查电源，再运行 posctl reader reset"),
        Cause::H03 => ("读卡器线路有干扰", "请检查或更换连接线"),
        Cause::H04 => ("读卡经常失败", "请清洁读卡器，并远离金属物"),
        Cause::H05 => ("键盘未接入", "请接好键盘"),
        Cause::H06 => ("键盘有按键卡住", "请松开按键，或更换键盘"),
        Cause::H07 => ("键盘按键抖动", "请清洁或更换键盘"),
        Cause::H08 => ("显示屏故障", "请检查显示屏连接线"),
        Cause::H09 => ("防拆开关触发", "请停用终端并联系维修"),
        Cause::S01 => ("服务反复重启", "请查看日志：journalctl -u smartposd"),
        Cause::S02 => ("数据库损坏", "请不要删除任何文件，联系维修"),
        Cause::S03 => ("程序版本过旧", "请更新 smartposd"),
        Cause::S04 => ("参数已过期", "请重新签到：posctl sign-in"),
        Cause::S05 => ("应用使用了不支持的接口版本", "请更新应用"),
        Cause::S06 => ("主机认为报文格式错误", "请检查收单配置：posctl config check"),
        Cause::O01 => ("操作员密码错误", "请重新输入，或由主管重设密码"),
        Cause::O02 => ("操作员已锁定", "请主管运行：posctl operator unlock 操作员号"),
        Cause::O03 => ("没有操作员签到", "请运行：posctl operator sign-in 操作员号"),
        Cause::O04 => ("交易码不存在或有误", "请对照凭条重新输入"),
        Cause::O05 => ("卡片移开过早，或有两张卡", "请只放一张卡，听到提示再移开"),
        Cause::B01 => ("银行系统故障或日切", "请几分钟后重试"),
        Cause::B02 => ("终端未登记", "请核对 terminal_id 并联系收单机构"),
        Cause::B03 => ("商户无效", "请核对 merchant_id 并联系收单机构"),
        Cause::B04 => ("批次号不一致", "请重新签到：posctl sign-in"),
        Cause::B06 => ("主机没有及时应答", "请重试；仍不行则联系收单机构"),
        Cause::K01 => ("报文 MAC 错误", "请重新签到：posctl sign-in；仍不行则检查密钥"),
        Cause::K02 => ("主机拒绝了密码块", "请重新签到：posctl sign-in；仍不行则检查密钥"),
        Cause::K03 => ("工作密钥校验值不符", "请与收单机构核对主密钥校验值"),
        Cause::K04 => ("没有主密钥", "请两人分别运行：posctl keys load --component 1 和 2"),
        Cause::K05 => ("密钥规则配置错误", "请检查配置：posctl config check"),
        Cause::K06 => ("密钥已过期", "请重新签到：posctl sign-in"),
        Cause::P01 => ("时钟不可信", "请校准时间，或打开时间同步"),
        Cause::P02 => ("存储已满、只读或故障", "请清理空间或更换存储"),
        Cause::P03 => ("电压不足或过热", "请更换电源，或让设备降温"),
        Cause::P04 => ("上次非正常关机", "无需处理，未完成的交易正在处理"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_says_what_and_what_to_do_in_both_languages() {
        for cause in Cause::ALL {
            for language in [Language::Zh, Language::En] {
                let (what, remedy) = explain(cause.as_str(), language);
                assert!(what.starts_with(cause.as_str()) && what.len() > 8 && remedy.len() > 8, "{cause}");
            }
            assert!(!explain(cause.as_str(), Language::Zh).0.is_ascii());
            assert!(explain(cause.as_str(), Language::En).0.is_ascii());
        }
    }

    #[test]
    fn a_code_of_a_newer_daemon_stands_for_itself() {
        assert_eq!(explain("X99", Language::En).0, "X99");
    }
}
