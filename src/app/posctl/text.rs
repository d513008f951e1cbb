//! Words for people in both languages. What goes into JSON is never translated.

use crate::domain::prompt::Language;

/// One of the two.
pub fn pick<T>(language: Language, zh: T, en: T) -> T {
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// The first locale variable that is set decides, as POSIX says: `LC_ALL`, `LC_MESSAGES`, `LANG`.
pub fn language_of(variables: [Option<String>; 3]) -> Language {
    let locale = variables.into_iter().flatten().find(|value| !value.is_empty());
    locale.map_or(Language::En, |locale| Language::from_locale(&locale))
}

/// What an outcome means, for a person.
pub fn outcome(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "approved" => ("交易成功", "approved"),
        "approved-offline" => ("脱机批准", "approved offline"),
        "declined" => ("交易拒绝", "declined"),
        "cancelled" => ("交易取消", "cancelled"),
        "unknown" => ("结果未知", "result unknown"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// Where a payment stands, for a person.
pub fn transaction_state(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "created" => ("已创建", "created"),
        "awaiting-confirmation" => ("等待顾客确认金额", "the customer confirms the amount"),
        "awaiting-card" => ("等待挥卡", "waiting for a card"),
        "awaiting-pin" => ("等待输入密码", "waiting for the PIN"),
        "connecting" => ("正在连接收单主机", "reaching the acquirer"),
        "storing" => ("正在脱机保存", "being stored offline"),
        "authorising" => ("请求已发出，等待应答", "request sent, waiting for the answer"),
        "reversing" => ("正在冲正", "reversal under way"),
        "finished" => ("已结束", "finished"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// Where a payment accepted offline stands on its way to the acquirer, for a person.
pub fn forwarding(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "waiting" => ("等待上送", "waiting to be sent"),
        "in-flight" => ("正在上送", "being sent"),
        "accepted" => ("收单机构已接受", "the acquirer has it"),
        "held" => ("已挂起，等待处理", "held until somebody decides"),
        "abandoned" => ("已放弃", "given up"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// Whether a payment may be accepted without the acquirer, for a person.
pub fn mode(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "online-only" => ("只联机", "online only"),
        "prefer-online" => ("优先联机", "offline where the acquirer cannot be asked"),
        "offline-only" => ("只脱机", "offline only"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// The terminal's state, for a person; the word itself stands beside it.
pub fn terminal_state(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "starting" => ("正在启动", "starting up"),
        "signed-out" => ("未签到", "not signed in with the acquirer"),
        "signing-in" => ("正在签到", "signing in with the acquirer"),
        "ready" => ("可以收款", "payments can start"),
        "busy" => ("正在收款", "a payment is under way"),
        "degraded" => ("部分功能不可用", "works in part"),
        "out-of-service" => ("停止服务，需要处理", "out of service until somebody acts"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// A device's state, for a person.
pub fn device_state(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "absent" => ("未找到，等待接入", "not there; waited for"),
        "starting" => ("正在启动", "starting"),
        "ready" => ("正常", "ready"),
        "active" => ("使用中", "in use"),
        "failed" => ("故障，正在恢复", "failed; being brought back"),
        "inhibited" => ("被占用", "held by somebody"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// A way to pay, for a person.
pub fn capability(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "card-online" => ("银行卡（联机）", "card, online"),
        "card-offline" => ("银行卡（脱机）", "card, offline"),
        "qr" => ("扫码", "QR code"),
        "cash" => ("现金", "cash"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// A part of the daemon, for a person.
pub fn component(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "terminal" => ("终端", "terminal"),
        "reader" => ("读卡器", "card reader"),
        "keypad" => ("键盘", "keypad"),
        "scanner" => ("扫码枪", "scanner"),
        "keys" => ("密钥", "keys"),
        "queue" => ("未上送", "unsent"),
        "storage" => ("存储", "storage"),
        "host" => ("收单主机", "acquirer's host"),
        "manager" => ("总体", "daemon"),
        "link" => ("网络连接", "link"),
        "address" => ("IP 地址", "address"),
        "gateway" => ("路由器", "router"),
        "names" => ("域名解析", "names"),
        "control" => ("外网（按地址）", "other hosts, by address"),
        "control-by-name" => ("外网（按域名）", "other hosts, by name"),
        "portal" => ("网页登录", "log-in page"),
        "acquirer" => ("收单地址", "acquirer's address"),
        "tls" => ("TLS 证书", "TLS"),
        "clock" => ("时钟", "clock"),
        "power" => ("供电", "power"),
        "service" => ("服务", "service"),
        "operator" => ("操作员", "operator"),
        "journal" => ("账目日志", "journal"),
        "crypto" => ("加密算法", "ciphers"),
        "space" => ("磁盘空间", "space"),
        "reader-line" => ("读卡器线路", "reader's line"),
        "reset-line" => ("读卡器复位线", "reset line"),
        "power-switch" => ("读卡器电源开关", "power switch"),
        "key-press" => ("按键", "keys pressed"),
        "display" => ("屏幕", "display"),
        "card" => ("试读卡", "card"),
        _ => (word, word),
    };
    pick(language, zh, en)
}

/// What came of a step of a diagnosis, for a person.
pub fn finding(word: &str, language: Language) -> &str {
    let (zh, en) = match word {
        "worked" => ("正常", "works"),
        "failed" => ("有问题", "fails"),
        "not-run" => ("无法检查", "not looked at"),
        "not-needed" => ("无需检查", "not needed"),
        "timed-out" => ("超时", "no time left"),
        _ => (word, word),
    };
    pick(language, zh, en)
}
