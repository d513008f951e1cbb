//! Codes that a scanner reads: what each kind looks like, and which kind a text is.
//!
//! Owns: the form of an operator code, the ranges of customers' payment codes as data, the choice between them. Whatever
//! was scanned may be money or a right to sign in: nothing here that holds it can be printed.

use std::ops::RangeInclusive;

use crate::domain::cause::Cause;
use crate::domain::ids::{CodeError, OperatorId, TransactionCode, mod_37_36};
use crate::domain::outcome::words;
use crate::domain::secret::SecretBytes;

/// The longest code that is taken from a scanner: more than any of ours or of a payment scheme.
pub const LONGEST_CODE: usize = 256;

/// What an operator code begins with; the digit is its version.
const OPERATOR_MARK: &str = "SPO1:";
/// Symbols of the secret part: base 32 without padding, 130 bits.
const SECRET_SYMBOLS: usize = 26;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

words! {
    /// Whose payment code it is.
    PayScheme {
        /// UnionPay (云闪付).
        UnionPay = "unionpay",
        /// Alipay (支付宝).
        Alipay = "alipay",
        /// WeChat Pay (微信支付).
        WeChat = "wechat",
    }
}

words! {
    /// What kind of code was scanned.
    ScanKind {
        /// An operator's code.
        Operator = "operator",
        /// A customer's payment code.
        Payment = "payment",
        /// The code of a payment made here.
        Transaction = "transaction",
        /// Nothing that means anything here.
        Unknown = "unknown",
    }
}

/// One range of payment codes: digits that begin so, and so many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// Whose.
    pub scheme: PayScheme,
    /// The first two digits.
    pub prefixes: RangeInclusive<u8>,
    /// How many digits altogether.
    pub digits: RangeInclusive<usize>,
}

impl CodeRange {
    /// Whether a text of digits is in this range.
    fn holds(&self, text: &str) -> bool {
        let prefix = text.get(..2).and_then(|two| two.parse().ok());
        self.digits.contains(&text.len()) && prefix.is_some_and(|two| self.prefixes.contains(&two))
    }
}

/// What an operator code says: who, and the secret that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorCode {
    /// Who.
    pub operator: OperatorId,
    /// 26 symbols of base 32. Only its hash is kept anywhere.
    pub secret: SecretBytes,
}

impl OperatorCode {
    /// From random bytes; five bits of each are used.
    pub fn new(operator: OperatorId, random: &[u8; SECRET_SYMBOLS]) -> Self {
        let symbol = |byte: &u8| BASE32.get(usize::from(byte % 32)).copied().unwrap_or(b'A');
        Self { operator, secret: SecretBytes::new(random.iter().map(symbol).collect()) }
    }

    /// Takes the secret part as it came from a caller.
    pub fn secret_is_well_formed(secret: &SecretBytes) -> bool {
        let bytes = secret.expose();
        bytes.len() == SECRET_SYMBOLS && bytes.iter().all(|b| BASE32.contains(b))
    }

    /// `SPO1:NUMBER:SECRET` and a check digit (ISO 7064 MOD 37,36 over number and secret): what stands in the picture.
    pub fn text(&self) -> SecretBytes {
        let mut body = String::with_capacity(LONGEST_CODE);
        body.push_str(self.operator.as_str());
        body.push_str(&String::from_utf8_lossy(self.secret.expose()));
        let check = mod_37_36(&body).unwrap_or('0');
        body.insert(self.operator.as_str().len(), ':');
        body.insert_str(0, OPERATOR_MARK);
        body.push(check);
        SecretBytes::new(body.into_bytes())
    }

    fn read(text: &str) -> Option<Self> {
        let (number, rest) = text.strip_prefix(OPERATOR_MARK)?.split_once(':')?;
        let (secret, check) = rest.split_at_checked(SECRET_SYMBOLS)?;
        let operator = OperatorId::new(number)?;
        let secret = SecretBytes::new(secret.as_bytes().to_vec());
        let read = Self { operator, secret };
        let whole = Self::secret_is_well_formed(&read.secret) && check.len() == 1;
        (whole && read.text().expose() == text.as_bytes()).then_some(read)
    }
}

/// A code that was scanned. No `Debug`: most of these are worth something to whoever reads them.
#[derive(Clone, PartialEq, Eq)]
pub enum Scan {
    /// An operator's code, whole; whether it is a right one only its hash tells.
    Operator(OperatorCode),
    /// It begins as an operator's code, but its form or check digit is wrong: misread or made up, and no try.
    DamagedOperator,
    /// A customer's payment code.
    Payment {
        /// Whose.
        scheme: PayScheme,
        /// The code: with it money can be taken, once.
        code: SecretBytes,
    },
    /// The code of a payment made here, its check digit right.
    Transaction(TransactionCode),
    /// The same with a wrong check digit.
    DamagedTransaction,
    /// Anything else.
    Unknown,
}

impl Scan {
    /// What the text is. Ranges come from the acquirer's profile.
    pub fn classify(text: &SecretBytes, ranges: &[CodeRange]) -> Self {
        let Ok(text) = std::str::from_utf8(text.expose()) else { return Self::Unknown };
        if text.starts_with(OPERATOR_MARK) {
            return OperatorCode::read(text).map_or(Self::DamagedOperator, Self::Operator);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits && let Some(range) = ranges.iter().find(|range| range.holds(text)) {
            return Self::Payment { scheme: range.scheme, code: SecretBytes::new(text.as_bytes().to_vec()) };
        }
        match text.parse::<TransactionCode>() {
            Ok(code) => Self::Transaction(code),
            Err(CodeError::CheckDigit) => Self::DamagedTransaction,
            Err(CodeError::Shape) => Self::Unknown,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> ScanKind {
        match self {
            Self::Operator(_) | Self::DamagedOperator => ScanKind::Operator,
            Self::Payment { .. } => ScanKind::Payment,
            Self::Transaction(_) | Self::DamagedTransaction => ScanKind::Transaction,
            Self::Unknown => ScanKind::Unknown,
        }
    }
}

words! {
    /// What became of a scanned code.
    ScanAnswer {
        /// The operator is signed in.
        SignedIn = "signed-in",
        /// The operator code was not taken; the cause says why.
        Refused = "refused",
        /// A payment is under way, and no operator signs in meanwhile.
        NotNow = "not-now",
        /// Misread: scan it again.
        Damaged = "damaged",
        /// A payment code, and no payment waits for one.
        NoPaymentWaits = "no-payment-waits",
        /// The payment of this code is on file here.
        Found = "found",
        /// No payment of this code is on file here.
        NotFound = "not-found",
        /// It means nothing here.
        Meaningless = "meaningless",
    }
}

impl ScanAnswer {
    /// The cause that goes with it, where the answer itself has one.
    pub fn cause(self, kind: ScanKind) -> Option<Cause> {
        match (self, kind) {
            (Self::NotFound, _) | (Self::Damaged, ScanKind::Transaction) => Some(Cause::O04),
            _ => None,
        }
    }

    /// What to tell the person who holds the scanner: zh, en.
    pub fn hint(self) -> (&'static str, &'static str) {
        match self {
            Self::SignedIn => ("操作员已签到", "the operator is signed in"),
            Self::Refused => ("操作员码无效，或请稍候再试", "this operator code is not valid, or not yet again"),
            Self::NotNow => {
                ("正在付款，结束后再扫操作员码", "a payment is under way; scan the operator code when it is over")
            }
            Self::Damaged => ("没有扫清楚，请再扫一次", "misread; scan it again"),
            Self::NoPaymentWaits => ("没有等待扫码的付款", "no payment waits for a code"),
            Self::Found => ("已找到该笔交易", "the payment is on file"),
            Self::NotFound => ("交易码不存在", "no payment with this code is on file"),
            Self::Meaningless => ("无法识别的码", "this code means nothing here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{Batch, Stan, TerminalId};

    fn china() -> Vec<CodeRange> {
        vec![
            CodeRange { scheme: PayScheme::UnionPay, prefixes: 62..=62, digits: 19..=19 },
            CodeRange { scheme: PayScheme::Alipay, prefixes: 25..=30, digits: 16..=24 },
            CodeRange { scheme: PayScheme::WeChat, prefixes: 10..=15, digits: 18..=18 },
        ]
    }

    fn scan(text: &str) -> Scan {
        Scan::classify(&SecretBytes::new(text.as_bytes().to_vec()), &china())
    }

    fn operator_code() -> OperatorCode {
        OperatorCode::new(
            OperatorId::new("0123").unwrap(),
            &std::array::from_fn(|n| u8::try_from(n * 37 % 256).unwrap()),
        )
    }

    fn text_of(code: &OperatorCode) -> String {
        String::from_utf8(code.text().expose().to_vec()).unwrap()
    }

    #[test]
    fn payment_codes_are_told_by_prefix_and_length() {
        let cases: [(&str, Option<PayScheme>); 14] = [
            ("6212345678901234567", Some(PayScheme::UnionPay)),
            ("621234567890123456", None),
            ("62123456789012345678", None),
            ("6312345678901234567", None),
            ("2512345678901234", Some(PayScheme::Alipay)),
            ("301234567890123456789012", Some(PayScheme::Alipay)),
            ("3012345678901234567890123", None),
            ("251234567890123", None),
            ("3112345678901234", None),
            ("101234567890123456", Some(PayScheme::WeChat)),
            ("151234567890123456", Some(PayScheme::WeChat)),
            ("161234567890123456", None),
            ("10123456789012345", None),
            ("10123456789012345A", None),
        ];
        for (text, wanted) in cases {
            let found = match scan(text) {
                Scan::Payment { scheme, code } => {
                    assert!(code.expose() == text.as_bytes(), "{text}");
                    Some(scheme)
                }
                _ => None,
            };
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_profile_without_ranges_knows_no_payment_code() {
        let text = SecretBytes::new(b"6212345678901234567".to_vec());
        assert!(Scan::classify(&text, &[]) == Scan::Unknown);
    }

    #[test]
    fn an_operator_code_reads_back() {
        let code = operator_code();
        let text = text_of(&code);
        assert_eq!(text.len(), 5 + 4 + 1 + 26 + 1, "{text}");
        assert!(scan(&text) == Scan::Operator(code));
    }

    #[test]
    fn every_wrong_character_of_an_operator_code_is_found() {
        let text = text_of(&operator_code());
        for at in OPERATOR_MARK.len()..text.len() {
            for other in ('0'..='9').chain('A'..='Z').chain([':', ' ']) {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] != other {
                    changed[at] = other;
                    let changed: String = changed.into_iter().collect();
                    assert!(scan(&changed) == Scan::DamagedOperator, "{changed}");
                }
            }
        }
        for cut in OPERATOR_MARK.len()..text.len() {
            assert!(scan(&text[..cut]) == Scan::DamagedOperator, "{cut}");
        }
    }

    #[test]
    fn a_transaction_code_is_known_in_either_case_and_a_wrong_digit_is_o04() {
        let terminal = TerminalId::new("99000001").unwrap();
        let code = TransactionCode::new(&terminal, Batch::new(2).unwrap(), Stan::new(3).unwrap());
        assert!(scan(code.as_str()) == Scan::Transaction(code.clone()));
        assert!(scan(&code.as_str().to_lowercase()) == Scan::Transaction(code.clone()));
        let mut wrong = code.as_str().to_owned();
        wrong.replace_range(9..10, if wrong.as_bytes()[9] == b'7' { "8" } else { "7" });
        let wrong = scan(&wrong);
        assert!(wrong == Scan::DamagedTransaction);
        assert_eq!(ScanAnswer::Damaged.cause(wrong.kind()), Some(Cause::O04));
        assert_eq!(ScanAnswer::Damaged.cause(ScanKind::Operator), None);
    }

    #[test]
    fn anything_else_means_nothing() {
        for text in ["", " ", "https://example.com/pay?x=1", "SPO2:01:X", "spo1:01", "690123456789", "\u{4ed8}\u{6b3e}"]
        {
            assert!(scan(text) == Scan::Unknown, "{text}");
        }
    }

    #[test]
    fn every_answer_has_a_hint_in_both_languages() {
        for answer in ScanAnswer::ALL {
            let (zh, en) = answer.hint();
            assert!(!zh.is_ascii() && en.is_ascii() && en.len() > 10, "{answer}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(SPO1:)?.{0,80}") {
            let _ = scan(&text).kind();
        }

        #[test]
        fn any_operator_code_reads_back(number in "[0-9]{2,8}", random in proptest::array::uniform26(any::<u8>())) {
            let code = OperatorCode::new(OperatorId::new(&number).unwrap(), &random);
            prop_assert!(OperatorCode::secret_is_well_formed(&code.secret));
            prop_assert!(scan(&text_of(&code)) == Scan::Operator(code));
        }
    }
}
