//! Who may do what: one polkit action per verb. Polkit absent, failing or silent means refused; nothing is cached.

use std::collections::HashMap;
use std::time::Duration;

use zbus::{Connection, Variant};

use crate::bus::error::{Error, Result};
use crate::diagnose::events::JournalEvent;
use crate::engine::command::{Caller, RefusalKind};

/// How long polkit may think. No person is asked: a terminal has nobody to type into an agent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// polkit on the same bus.
    Polkit,
    /// Callers of the daemon's own uid, or root. Only for a private bus: development and rigs.
    SameUser {
        /// The daemon's uid.
        uid: u32,
    },
}

/// What a caller may be allowed to do; see `systemd/org.smartposd.pos1.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Trade,
    SignIn,
    Operate,
    AdministerOperators,
    LoadKeys,
    ReadAll,
    Maintain,
    Queue,
    Resolve,
}

impl Right {
    /// The polkit action.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Trade => "org.smartposd.pos1.trade",
            Self::SignIn => "org.smartposd.pos1.sign-in",
            Self::Operate => "org.smartposd.pos1.operate",
            Self::AdministerOperators => "org.smartposd.pos1.administer-operators",
            Self::LoadKeys => "org.smartposd.pos1.load-keys",
            Self::ReadAll => "org.smartposd.pos1.read-all",
            Self::Maintain => "org.smartposd.pos1.maintain",
            Self::Queue => "org.smartposd.pos1.queue",
            Self::Resolve => "org.smartposd.pos1.resolve",
        }
    }
}

impl Authority {
    /// Whether the caller has the right, decided now.
    pub(super) async fn check(self, connection: &Connection, caller: &Caller, right: Right) -> Result<()> {
        match self {
            Self::SameUser { uid } if caller.uid == uid || caller.uid == 0 => Ok(()),
            Self::SameUser { .. } => {
                Err(refused("this private bus serves only the user who started smartposd, and root"))
            }
            Self::Polkit => ask_polkit(connection, caller, right).await,
        }
    }
}

async fn ask_polkit(connection: &Connection, caller: &Caller, right: Right) -> Result<()> {
    let action = right.action();
    let subject = ("system-bus-name", HashMap::from([("name", Variant::new(caller.connection.as_str()))]));
    let question = (subject, action, HashMap::<&str, &str>::new(), 0u32, "");
    let call = connection.call_method(
        Some("org.freedesktop.PolicyKit1"),
        "/org/freedesktop/PolicyKit1/Authority",
        Some("org.freedesktop.PolicyKit1.Authority"),
        "CheckAuthorization",
        &question,
    );
    let answer = match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => {
            tracing::warn!(POS_EVENT = JournalEvent::BusTrouble.as_str(), POS_COMPONENT = "bus", POS_EVIDENCE = %why, "polkit did not decide on {action}");
            return Err(refused(format!(
                "polkit cannot be asked about {action}, so it is refused; install polkitd and start polkit.service"
            )));
        }
        Err(_) => return Err(refused(format!("polkit did not answer about {action} in time, so it is refused"))),
    };
    let verdict = answer.body().deserialize::<(bool, bool, HashMap<String, String>)>();
    match verdict {
        Ok((true, _, _)) => Ok(()),
        Ok((false, _, _)) => Err(refused(format!(
            "uid {} may not do this; let a polkit rule allow it {action} (see /usr/share/polkit-1/actions)",
            caller.uid
        ))),
        Err(_) => Err(refused(format!("polkit's answer about {action} makes no sense, so it is refused"))),
    }
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(RefusalKind::NotAuthorized, text)
}
