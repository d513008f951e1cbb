//! `posctl operator …` and `posctl keys …`: where a secret is handed over, or the keypad asks for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::posctl::cli::{KeysCommand, OperatorCommand};
use crate::app::posctl::error::Fault;
use crate::app::posctl::operator_code;
use crate::app::posctl::output::{Voice, number, snake_keys, text};
use crate::app::posctl::secret::{Wanted, obtain};
use crate::app::posctl::status::keys_line;
use crate::bus::client::Client;
use crate::domain::outcome::Role;

/// How often the daemon is asked whether the keypad is done.
const LOOK: Duration = Duration::from_millis(500);
/// How often at most: three minutes.
const LOOKS: u32 = 360;

/// `posctl operator …`
pub async fn operator(client: &Client, command: &OperatorCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        OperatorCommand::SignIn { operator: Some(operator), password, .. } => {
            let password = obtain(Wanted::Password, password.password_fd, voice.language)?;
            client.operator_sign_in(operator, password).await?;
            signed_in(operator, voice);
        }
        OperatorCommand::SignIn { operator: None, .. } => signed_in(&at_keypad(client, voice).await?, voice),
        OperatorCommand::SignOut => {
            client.operator_sign_out().await?;
            voice
                .tell(&json!({"operator": ""}), || voice.pick("操作员已签退", "the operator is signed out").to_owned());
        }
        OperatorCommand::Set { operator, role, password } => {
            let password = obtain(Wanted::NewPassword, password.password_fd, voice.language)?;
            client.set_operator(operator, role.as_str(), password).await?;
            let title = role_title(*role, voice);
            voice.tell(&json!({"operator": operator, "role": role.as_str()}), || {
                voice.pick(
                    format!("操作员 {operator}（{title}）已设置"),
                    format!("operator {operator} is set as {title}"),
                )
            });
        }
        OperatorCommand::Code(command) => return operator_code::obey(client, command, voice).await,
        OperatorCommand::Unlock { operator } => {
            client.unlock_operator(operator).await?;
            voice.tell(&json!({"operator": operator, "locked": false}), || {
                voice.pick(format!("操作员 {operator} 已解锁"), format!("operator {operator} is unlocked"))
            });
        }
    }
    Ok(())
}

fn role_title(role: Role, voice: Voice) -> &'static str {
    match role {
        Role::Operator => voice.pick("操作员", "operator"),
        Role::Supervisor => voice.pick("主管", "supervisor"),
        Role::Administrator => voice.pick("管理员", "administrator"),
    }
}

fn signed_in(operator: &str, voice: Voice) {
    voice.tell(&json!({"operator": operator}), || {
        voice.pick(format!("操作员 {operator} 已签到"), format!("operator {operator} is signed in"))
    });
}

/// Waits until the keypad asks no more, and says who is signed in then.
async fn at_keypad(client: &Client, voice: Voice) -> Result<String, Fault> {
    let before = text(&client.terminal().await?, "Operator").to_owned();
    client.operator_sign_in_at_keypad().await?;
    voice.line(voice.pick("请在键盘上输入操作员号和密码", "enter operator number and password on the keypad"));
    for _ in 0..LOOKS {
        let terminal = client.terminal().await?;
        let operator = text(&terminal, "Operator");
        if !operator.is_empty() && operator != before {
            return Ok(operator.to_owned());
        }
        if !matches!(text(&terminal, "Prompt"), "enter-operator" | "enter-password") {
            // The prompt is gone and nobody new is there: only the same operator once more can be a success.
            return if operator.is_empty() { Err(Fault::KeypadEntry) } else { Ok(operator.to_owned()) };
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Fault::KeypadEntry)
}

/// `posctl keys …`
pub async fn keys(client: &Client, command: &KeysCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        KeysCommand::Load { component, custodian, keypad: false, component_fd } => {
            let secret = obtain(Wanted::Component, *component_fd, voice.language)?;
            let checks = client.load_component(*component, custodian, secret).await?;
            voice.tell(&Value::Object(checks.clone()), || {
                let own = text(&checks, "component-check");
                let whole = text(&checks, "key-check");
                let next = match (whole, component) {
                    ("", 1) => {
                        voice.pick("请另一人输入分量 2".to_owned(), "another person enters component 2".to_owned())
                    }
                    ("", _) => {
                        voice.pick("请另一人输入分量 1".to_owned(), "another person enters component 1".to_owned())
                    }
                    (check, _) => voice.pick(
                        format!("主密钥已装载，校验值 {check}：请与密钥函核对"),
                        format!("the master key is in, check value {check}: compare it with the acquirer's sheet"),
                    ),
                };
                voice.pick(
                    format!("分量 {component} 校验值 {own}\n{next}"),
                    format!("component {component}: check value {own}\n{next}"),
                )
            });
        }
        KeysCommand::Load { component, custodian, keypad: true, .. } => {
            let keys = component_at_keypad(client, *component, custodian, voice).await?;
            voice.tell(&Value::Object(keys.clone()), || keys_line(&keys, voice));
        }
        KeysCommand::Status => {
            let keys = snake_keys(&client.keys().await?);
            voice.tell(&Value::Object(keys.clone()), || keys_line(&keys, voice));
        }
        KeysCommand::Abandon => {
            client.abandon_keys().await?;
            voice.tell(&json!({"pending_component_check": ""}), || {
                voice.pick("已放弃未完成的密钥输入", "the first component is forgotten").to_owned()
            });
        }
    }
    Ok(())
}

async fn component_at_keypad(
    client: &Client,
    index: u32,
    custodian: &str,
    voice: Voice,
) -> Result<crate::bus::client::Row, Fault> {
    let before = client.keys().await?;
    client.load_component_at_keypad(index, custodian).await?;
    voice.line(voice.pick("请在键盘上输入密钥分量", "enter the key component on the keypad"));
    for _ in 0..LOOKS {
        let keys = client.keys().await?;
        if number(&keys, "AskingComponent") == 0 {
            let same = |name| text(&keys, name) == text(&before, name);
            let nothing_new = same("PendingComponentCheck") && same("MasterKeyCheck");
            return if nothing_new { Err(Fault::KeypadEntry) } else { Ok(snake_keys(&keys)) };
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Fault::KeypadEntry)
}
