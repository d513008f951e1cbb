//! `org.smartposd.Pos1.Manager`: the daemon as a whole. The contract is `xml/org.smartposd.Pos1.Manager.xml`.

use std::collections::BTreeMap;

use zbus::message::Header;
use zbus::{Connection, Variant, interface};

use crate::bus::authority::Right;
use crate::bus::error::Result;
use crate::bus::gate::Gate;
use crate::bus::options::{Given, Options};
use crate::bus::result::Row;
use crate::bus::{diagnosis, view};
use crate::engine::snapshot::{Capability, WAYS};

/// What this build can do beyond the members of the contract.
const FEATURES: [&str; 3] = ["sale", "operator-at-keypad", "keys-at-keypad"];

/// The object `/org/smartposd/Pos1`.
pub(super) struct Manager {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Manager", introspection_docs = false)]
impl Manager {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn features(&self) -> Vec<&str> {
        FEATURES.to_vec()
    }

    #[zbus(property)]
    fn health(&self) -> &str {
        view::health(&self.gate.snapshot())
    }

    #[zbus(property)]
    fn components(&self) -> Vec<(String, String, String)> {
        let own = |part: view::Part| (part.name.to_owned(), part.state.to_owned(), part.cause.to_owned());
        view::parts(&self.gate.snapshot()).into_iter().map(own).collect()
    }

    #[zbus(property)]
    fn capabilities(&self) -> BTreeMap<String, Row> {
        let snapshot = self.gate.snapshot();
        WAYS.iter().zip(&snapshot.capabilities).map(|(way, c)| ((*way).to_owned(), capability(c))).collect()
    }

    #[zbus(out_args("rows"))]
    async fn run_diagnosis(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        diagnosis::run(&self.gate, &visit).await
    }
}

fn capability(capability: &Capability) -> Row {
    let mut row = Row::from([("available", Variant::from(capability.available))]);
    if let Some(cause) = capability.cause {
        row.insert("cause", Variant::from(cause.as_str()));
    }
    if let Some(until) = capability.until {
        row.insert("until", Variant::from(until.0));
    }
    if let Some(left) = capability.amount_left {
        row.insert("amount-left", Variant::from(left));
    }
    if let Some(left) = capability.count_left {
        row.insert("count-left", Variant::from(left));
    }
    row
}
