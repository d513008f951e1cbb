//! `posctl operator code …` and `posctl scanner …`: codes that sign operators in, and the scanner that reads them.
//!
//! The secret is made here, shown once and handed to the daemon through a pipe; the daemon keeps a hash of it.

use serde_json::json;
use zeroize::Zeroizing;

use crate::app::posctl::cli::{OperatorCodeCommand, ScannerCommand};
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::Voice;
use crate::app::posctl::report::picture;
use crate::app::posctl::secret::into_pipe;
use crate::bus::client::Client;
use crate::domain::ids::OperatorId;
use crate::domain::scan::OperatorCode;

/// `posctl operator code …`
pub async fn obey(client: &Client, command: &OperatorCodeCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        OperatorCodeCommand::New { operator, text } => issue(client, operator, *text, voice).await,
        OperatorCodeCommand::Revoke { operator } => {
            client.revoke_operator_code(operator).await?;
            voice.tell(&json!({"operator": operator, "code": null}), || {
                voice.pick(
                    format!("操作员 {operator} 的码已作废"),
                    format!("the code of operator {operator} is revoked"),
                )
            });
            Ok(())
        }
    }
}

async fn issue(client: &Client, operator: &str, as_text: bool, voice: Voice) -> Result<(), Fault> {
    let machine = |doing: &str, source: std::io::Error| Fault::Machine { doing: doing.to_owned(), source };
    let mut random = Zeroizing::new([0; 26]);
    getrandom::fill(random.as_mut_slice()).map_err(|why| machine("random bytes", std::io::Error::other(why)))?;
    let number =
        OperatorId::new(operator).ok_or_else(|| machine("operator number", std::io::ErrorKind::InvalidInput.into()))?;
    let code = OperatorCode::new(number, &random);
    let secret = into_pipe(code.secret.expose()).map_err(|why| machine("pipe", why.into()))?;
    client.set_operator_code(operator, secret).await?;
    // Shown only once it is in force.
    let text = code.text();
    let text = String::from_utf8_lossy(text.expose());
    voice.tell(&json!({"operator": operator, "code": text}), || {
        let shown = if as_text { text.clone().into_owned() } else { picture(&text) };
        let note = voice.pick(
            "只显示这一次：现在打印或拍照给本人。谁有它，谁就能以该操作员签到；遗失时运行 posctl operator code revoke。",
            "Shown this once: print it now and hand it to its owner. Whoever has it signs in as this operator; if it is lost: \
             posctl operator code revoke.",
        );
        format!("{shown}\n{note}")
    });
    Ok(())
}

/// `posctl scanner …`
pub async fn scanner(client: &Client, command: ScannerCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        ScannerCommand::Reset => {
            client.reset_scanner().await?;
            voice.tell(&json!({"reset": true}), || {
                voice.pick("扫码枪正在重启", "the scanner is being brought up anew").to_owned()
            });
        }
        ScannerCommand::Trigger => {
            client.trigger_scanner().await?;
            voice.tell(&json!({"triggered": true}), || {
                voice.pick("请把码放到扫码枪前", "hold the code in front of the scanner").to_owned()
            });
        }
    }
    Ok(())
}
