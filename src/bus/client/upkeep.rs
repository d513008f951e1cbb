//! Calls about maintenance.

use zbus::Variant;

use crate::bus::client::plain::rows;
use crate::bus::client::{Answer, Client, Options, Row};
use crate::bus::names::{MANAGER_INTERFACE, ROOT};

impl Client {
    /// `Manager.MaintenanceDue`.
    pub async fn maintenance_due(&self) -> Answer<Vec<Row>> {
        self.call(ROOT, MANAGER_INTERFACE, "MaintenanceDue", &(Options::new(),)).await.and_then(rows)
    }

    /// `Manager.MaintenanceTrends`.
    pub async fn maintenance_trends(&self) -> Answer<Vec<Row>> {
        self.call(ROOT, MANAGER_INTERFACE, "MaintenanceTrends", &(Options::new(),)).await.and_then(rows)
    }

    /// `Manager.MaintenanceLog`.
    pub async fn maintenance_log(&self, limit: u32) -> Answer<Vec<Row>> {
        let options = Options::from([("limit", Variant::from(limit))]);
        self.call(ROOT, MANAGER_INTERFACE, "MaintenanceLog", &(options,)).await.and_then(rows)
    }

    /// `Manager.MaintenanceDone`.
    pub async fn maintenance_done(&self, item: &str, note: &str) -> Answer<()> {
        self.call(ROOT, MANAGER_INTERFACE, "MaintenanceDone", &(item, note, Options::new())).await.map(drop)
    }
}
