//! Everything that can go wrong for `posctl`, as a name, a sentence and what to do, in both languages.

use crate::app::posctl::devices::RuleError;
use crate::app::posctl::guard::Unsent;
use crate::app::posctl::text::pick;
use crate::bus::client::ClientError;
use crate::diagnose::CodeError;
use crate::domain::amount::Currency;
use crate::domain::prompt::Language;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Fault {
    /// The daemon could not be asked, or refused.
    Call(ClientError),
    /// Not an amount.
    Amount {
        /// As typed.
        given: String,
        /// In which currency.
        currency: Currency,
    },
    /// Not a currency.
    Currency {
        /// As typed.
        given: String,
    },
    /// The secret could not be read.
    Secret(SecretFault),
    /// A card number in a text for the record.
    CardNumberInNote,
    /// Entry at the keypad did not come to a good end.
    KeypadEntry,
    /// Something of the machine itself.
    Machine {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A short code that was misread.
    ShortCode(CodeError),
    /// The configuration is wrong.
    Config(Vec<String>),
    /// An exercise where payments are real.
    NotTraining,
    /// A question about real money where there is none.
    InTraining,
    /// The training host takes no orders.
    TrainingHost {
        /// Where.
        socket: String,
        /// Why.
        source: std::io::Error,
    },
    /// A device that cannot be given a role.
    Device(RuleError),
    /// A payment is under way, so this must not happen.
    PaymentUnderWay,
    /// Something is unsent, so this must not happen.
    Unsent(Box<Unsent>),
    /// The journal is not whole.
    JournalBroken {
        /// The first bad row.
        row: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Why there is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// There is no terminal to ask on.
    NoTerminal,
    /// The two entries differ.
    Differ,
    /// Ctrl-C or nothing typed in time.
    GivenUp,
    /// Empty.
    Empty,
    /// More than a secret can have.
    TooLong,
    /// Not 32 hex digits.
    NotAComponent,
    /// Too short or too long for a backup.
    NotAPassphrase,
    /// Not 8 to 19 digits.
    NotACardNumber,
    /// The file descriptor is not open, or gives nothing.
    Descriptor,
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Call(error)
    }
}

impl From<SecretFault> for Fault {
    fn from(fault: SecretFault) -> Self {
        Self::Secret(fault)
    }
}

impl Fault {
    /// A short stable name, for scripts.
    pub fn name(&self) -> &str {
        match self {
            Self::Call(error) => match error {
                ClientError::NoBus { .. } => "NoBus",
                ClientError::NoDaemon => "NoDaemon",
                ClientError::Refused { name, .. } | ClientError::BusRefused { name, .. } => name,
                ClientError::TimedOut => "TimedOut",
                ClientError::Broken(_) => "Broken",
            },
            Self::Amount { .. } | Self::Currency { .. } | Self::Secret(_) | Self::CardNumberInNote => "InvalidArgument",
            Self::KeypadEntry => "KeypadEntry",
            Self::Machine { .. } => "Machine",
            Self::ShortCode(_) => "ShortCode",
            Self::Config(_) => "Config",
            Self::NotTraining => "NotTraining",
            Self::InTraining => "InTraining",
            Self::TrainingHost { .. } => "TrainingHost",
            Self::Device(_) => "InvalidArgument",
            Self::PaymentUnderWay => "Busy",
            Self::Unsent(_) => "Unsent",
            Self::JournalBroken { .. } => "JournalBroken",
        }
    }

    /// What is wrong.
    pub fn sentence(&self, language: Language) -> String {
        match self {
            Self::Call(error) => call_sentence(error, language),
            Self::Amount { given, currency } => {
                pick(language, format!("金额“{given}”无效"), format!("\"{given}\" is not an amount of {currency}"))
            }
            Self::Currency { given } => pick(
                language,
                format!("不认识的币种“{given}”"),
                format!("\"{given}\" is not a currency that is known here"),
            ),
            Self::Secret(fault) => secret_sentence(*fault, language).to_owned(),
            Self::CardNumberInNote => {
                pick(language, "说明中有卡号".to_owned(), "a card number stands in the note".to_owned())
            }
            Self::KeypadEntry => pick(
                language,
                "键盘输入未完成".to_owned(),
                "the entry on the keypad did not come to a good end".to_owned(),
            ),
            Self::Machine { doing, source } => format!("{doing}: {source}"),
            Self::ShortCode(error) => code_sentence(error, language),
            Self::Config(complaints) => complaints.join("\n"),
            Self::NotTraining => pick(
                language,
                "终端不在培训模式：演练会影响真实收款".to_owned(),
                "the terminal is not in training mode: a drill would disturb real payments".to_owned(),
            ),
            Self::InTraining => pick(
                language,
                "终端在培训模式，不知道真实交易是否都已上送".to_owned(),
                "the terminal is in training mode and does not know whether real payments are unsent".to_owned(),
            ),
            Self::TrainingHost { socket, source } => pick(
                language,
                format!("培训主机不听指挥（{socket}：{source}）"),
                format!("the training host takes no orders ({socket}: {source})"),
            ),
            Self::Device(error) => pick(language, device_sentence(error), error.to_string()),
            Self::PaymentUnderWay => {
                pick(language, "有一笔付款正在进行".to_owned(), "a payment is under way".to_owned())
            }
            Self::Unsent(unsent) => unsent.sentence(language),
            Self::JournalBroken { row, what } => pick(
                language,
                format!("流水日志第 {row} 行有问题：{what}"),
                format!("row {row} of the journal: {what}"),
            ),
        }
    }

    /// What to do about it.
    pub fn remedy(&self, language: Language) -> String {
        let (zh, en) = match self {
            Self::Call(error) => call_remedy(error),
            Self::Amount { currency, .. } => return amount_remedy(*currency, language),
            Self::Currency { .. } => ("请写 ISO 4217 代码，例如 CNY", "write an ISO 4217 code such as CNY"),
            Self::Secret(fault) => secret_remedy(*fault),
            Self::CardNumberInNote => {
                ("请不要写卡号；交易码已足够", "leave it out; the transaction code says which payment it is")
            }
            Self::KeypadEntry => {
                ("请重试；密码错误或超时会结束输入", "try again; a wrong password or a time-out ends the entry")
            }
            Self::NotTraining => {
                ("请先开始培训：posctl training start", "begin a training first: posctl training start")
            }
            Self::InTraining => (
                "查看真实数据库：smartposd --queue-state；或先结束培训：posctl training stop",
                "ask the live database: smartposd --queue-state; or end the training: posctl training stop",
            ),
            Self::TrainingHost { .. } => (
                "请启动培训主机：systemctl start smartposd-training-host，或用 --host-control 指明",
                "start it: systemctl start smartposd-training-host, or say where it is with --host-control",
            ),
            Self::Device(error) => device_remedy(error),
            Self::PaymentUnderWay => ("请等付款结束后重试", "wait for its end, then try again"),
            Self::Machine { .. } => ("请检查路径和权限", "check the path and its permissions"),
            Self::ShortCode(error) => code_remedy(error),
            Self::Unsent(unsent) => return unsent.remedy(language),
            Self::JournalBroken { .. } => (
                "请勿删除任何文件；用 posctl journal export 保存，联系技术支持",
                "delete nothing; keep it with posctl journal export, and call your support",
            ),
            Self::Config(_) => ("请按提示修改，然后重新检查", "correct these and check again"),
        };
        pick(language, zh, en).to_owned()
    }
}

fn code_sentence(error: &CodeError, language: Language) -> String {
    let zh = match error {
        CodeError::Character { found, group } => format!("第 {group} 组里有 {found:?}，短码中没有这个字符"),
        CodeError::Groups(groups) => {
            let list = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join("、");
            format!("第 {list} 组有误")
        }
        CodeError::Length { found, wanted, missing: Some(group) } => {
            format!("应有 {wanted} 个字符，只有 {found} 个；缺第 {group} 组")
        }
        CodeError::Length { found, wanted, missing: None } => format!("应有 {wanted} 个字符，却有 {found} 个"),
        CodeError::Mixed => "各组不属于同一个短码".to_owned(),
        CodeError::Newer { version } => format!("短码版本 {version} 比本程序新"),
    };
    pick(language, zh, error.to_string())
}

fn code_remedy(error: &CodeError) -> (&'static str, &'static str) {
    match error {
        CodeError::Character { .. } | CodeError::Groups(_) => (
            "请重读这几组，每组五个字符；没有 I、L、O、U",
            "have just these groups read again, five characters each; there is no I, L, O or U in them",
        ),
        CodeError::Length { .. } => {
            ("请从头数一遍：八组，每组五个字符", "count again from the start: eight groups of five characters")
        }
        CodeError::Mixed => {
            ("请重读整个短码，不要混用两次的", "have the whole code read again, all of it from one report")
        }
        CodeError::Newer { .. } => ("请更新 posctl", "update posctl"),
    }
}

fn amount_remedy(currency: Currency, language: Language) -> String {
    let example = match currency.exponent() {
        0 => "128",
        2 => "128.00",
        _ => "128.000",
    };
    let digits = currency.exponent();
    pick(
        language,
        format!("请写大于零的十进制数，小数最多 {digits} 位，例如 {example}"),
        format!("write a decimal above zero with at most {digits} digits after the point, e.g. {example}"),
    )
}

fn call_sentence(error: &ClientError, language: Language) -> String {
    match error {
        ClientError::NoBus { address, seen } => {
            pick(language, format!("连不上总线 {address}：{seen}"), format!("no bus at {address}: {seen}"))
        }
        ClientError::NoDaemon => {
            pick(language, "smartposd 没有运行".to_owned(), "smartposd is not running on this bus".to_owned())
        }
        // What the daemon says begins with its cause already.
        ClientError::Refused { text, .. } => text.clone(),
        ClientError::BusRefused { text, .. } => match error.cause() {
            Some(cause) => format!("{cause}: {text}"),
            None => text.clone(),
        },
        ClientError::TimedOut => {
            pick(language, "smartposd 没有及时回答".to_owned(), "smartposd did not answer in time".to_owned())
        }
        ClientError::Broken(seen) => {
            pick(language, format!("与总线的通信中断：{seen}"), format!("talking to the bus failed: {seen}"))
        }
    }
}

fn call_remedy(error: &ClientError) -> (&'static str, &'static str) {
    match error {
        ClientError::NoBus { .. } => (
            "请检查 dbus 是否在运行、--bus 的地址是否正确",
            "check that dbus is running and that the address after --bus is right",
        ),
        ClientError::NoDaemon => (
            "请启动：systemctl start smartposd；查看日志：journalctl -u smartposd",
            "start it: systemctl start smartposd; see its journal: journalctl -u smartposd",
        ),
        ClientError::TimedOut => ("请查看 posctl status，然后重试", "look at posctl status, then try again"),
        ClientError::Broken(_) => ("请重试；若再发生，请查看日志", "try again; if it happens again, see the journal"),
        ClientError::BusRefused { name, .. } if name.ends_with(".AccessDenied") => (
            "您没有权限访问；请加入 smartpos 组或联系管理员",
            "the bus does not let you in; ask the administrator to add you to the group smartpos",
        ),
        ClientError::BusRefused { .. } => (
            "smartposd 与 posctl 的版本可能不同；请一起更新",
            "smartposd and posctl may be of different versions; update both",
        ),
        ClientError::Refused { name, .. } => refusal_remedy(name),
    }
}

/// What to do for each name of the contract's closed list.
fn refusal_remedy(name: &str) -> (&'static str, &'static str) {
    match name {
        "InvalidArgument" => ("请按说明修改参数", "correct the arguments as it says"),
        "NotAuthorized" => (
            "没有权限，或密码错误：请核对，或联系管理员授权",
            "you have no right to this, or the password is wrong: check it, or ask the administrator",
        ),
        "WrongState" => ("现在不行；请看 posctl status", "not possible now; look at posctl status"),
        "Busy" => ("请等当前操作结束后重试", "wait for what is under way, then try again"),
        "NotSignedIn" => ("请先签到：posctl sign-in", "sign in first: posctl sign-in"),
        "ReaderUnavailable" => (
            "请检查读卡器的连接和电源，再用 posctl reader reset",
            "check the card reader's cable and power, then posctl reader reset",
        ),
        "HostUnreachable" => ("请检查网络，再用 posctl doctor", "check the network, then posctl doctor"),
        "HostTimeout" => ("收单主机没有应答；请稍后重试", "the acquirer's host did not answer; try again later"),
        "LimitExceeded" => (
            "超出限额；请减少金额，或先处理未结束的交易",
            "over a limit; take a smaller amount, or finish open payments first",
        ),
        "IdempotencyMismatch" => {
            ("这个 --key 已用于另一笔交易；请换一个", "this --key stands for another payment; take a new one")
        }
        "NotFound" => ("请核对号码", "check the number, code or key"),
        _ => ("请查看日志：journalctl -u smartposd", "see the journal: journalctl -u smartposd"),
    }
}

fn secret_sentence(fault: SecretFault, language: Language) -> &'static str {
    let (zh, en) = match fault {
        SecretFault::NoTerminal => ("没有可以输入的终端", "there is no terminal to ask on"),
        SecretFault::Differ => ("两次输入不一致", "the two entries differ"),
        SecretFault::GivenUp => ("输入已放弃", "the entry was given up"),
        SecretFault::Empty => ("没有输入内容", "nothing was entered"),
        SecretFault::TooLong => ("输入太长", "the entry is too long"),
        SecretFault::NotAComponent => ("密钥分量必须是 32 位十六进制数", "a component has 32 hex digits"),
        SecretFault::NotAPassphrase => ("备份口令必须是 12 至 128 字节", "a backup's passphrase has 12 to 128 bytes"),
        SecretFault::NotACardNumber => ("卡号必须是 8 至 19 位数字", "a card number has 8 to 19 digits"),
        SecretFault::Descriptor => ("无法从文件描述符读取", "nothing can be read from the file descriptor"),
    };
    pick(language, zh, en)
}

fn secret_remedy(fault: SecretFault) -> (&'static str, &'static str) {
    match fault {
        SecretFault::NoTerminal => (
            "请在终端上运行，或用以 -fd 结尾的选项（见 --help）",
            "run it on a terminal, or use the option that ends in -fd (see --help)",
        ),
        SecretFault::Differ | SecretFault::GivenUp | SecretFault::Empty => ("请重新输入", "try again"),
        SecretFault::TooLong => ("最多 256 字节", "256 bytes at most"),
        SecretFault::NotAComponent => ("请对照密钥函逐位核对", "compare it with the sheet, digit by digit"),
        SecretFault::NotAPassphrase => ("请用一句容易记住的话", "take a sentence that you can remember"),
        SecretFault::NotACardNumber => ("请对照卡面重新输入", "read it again from the card"),
        SecretFault::Descriptor => (
            "请传入已打开的描述符，例如 --password-fd 0 并把一行送到标准输入",
            "pass an open one, e.g. 0 with one line on standard input, within a minute",
        ),
    }
}

fn device_sentence(error: &RuleError) -> String {
    match error {
        RuleError::NoDevice(path) => format!("没有设备 {path}"),
        RuleError::WrongKind { node, role } => format!("{node} 不能作为 {role}"),
        RuleError::Nameless(node) => format!("{node} 没有可供 udev 识别的名称"),
    }
}

fn device_remedy(error: &RuleError) -> (&'static str, &'static str) {
    match error {
        RuleError::NoDevice(_) => {
            ("posctl devices --all 列出现有设备", "posctl devices --all shows those that are there")
        }
        RuleError::WrongKind { .. } => (
            "串口：reader、reader2、scanner；键盘：keypad；GPIO：gpio；I2C：display；都可以是 none",
            "serial ports: reader, reader2, scanner; keypads: keypad; GPIO chips: gpio; I2C buses: display; any: none",
        ),
        RuleError::Nameless(_) => (
            "请在 smartposd.toml 中写明它的 path，或加 --by-port",
            "write its path into smartposd.toml, or try --by-port",
        ),
    }
}
