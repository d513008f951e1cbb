//! The calls about the code scanner and operators' codes.

use std::os::fd::OwnedFd;

use zbus::Fd;

use crate::bus::client::{Answer, Client, Options, Row};
use crate::bus::names::{SCANNER, SCANNER_INTERFACE, TERMINAL, TERMINAL_INTERFACE};

impl Client {
    /// Properties of the Scanner; `None` where there is none, or none that answers.
    pub async fn scanner(&self) -> Option<Row> {
        self.properties(SCANNER, SCANNER_INTERFACE).await.ok()
    }

    /// `Scanner.Reset`.
    pub async fn reset_scanner(&self) -> Answer<()> {
        self.call(SCANNER, SCANNER_INTERFACE, "Reset", &()).await.map(drop)
    }

    /// `Scanner.Trigger`.
    pub async fn trigger_scanner(&self) -> Answer<()> {
        self.call(SCANNER, SCANNER_INTERFACE, "Trigger", &()).await.map(drop)
    }

    /// `Terminal.SetOperatorCode`; the secret part is behind the descriptor.
    pub async fn set_operator_code(&self, operator: &str, secret: OwnedFd) -> Answer<()> {
        let body = (operator, Fd::Owned(secret), Options::new());
        self.call(TERMINAL, TERMINAL_INTERFACE, "SetOperatorCode", &body).await.map(drop)
    }

    /// `Terminal.RevokeOperatorCode`.
    pub async fn revoke_operator_code(&self, operator: &str) -> Answer<()> {
        self.call(TERMINAL, TERMINAL_INTERFACE, "RevokeOperatorCode", &(operator,)).await.map(drop)
    }
}
