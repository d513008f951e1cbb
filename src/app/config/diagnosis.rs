//! The table `[diagnosis]` of the configuration.

use crate::domain::link::Endpoint;
use crate::host::settings::{At, Section};

/// Hosts that are up as long as the internet is, near and far: two by address, two by name. Nothing is sent to them but, at
/// port 80, one request for a page.
const CONTROL: [&str; 4] = ["223.5.5.5:443", "1.1.1.1:443", "connect.rom.miui.com:80", "network-test.debian.org:80"];
/// More would only take time.
const MOST: usize = 8;

/// Hosts that tell the shop's network from the acquirer's.
pub(super) fn control_hosts(section: Section<'_>) -> Vec<Endpoint> {
    let listed = section.texts("control_hosts");
    let hosts = match listed {
        None => CONTROL.iter().filter_map(|text| text.parse().ok()).collect(),
        Some(At { value, place }) => {
            if value.len() > MOST {
                section.refuse(&place, format!("`diagnosis.control_hosts` names more than {MOST} hosts"));
            }
            let mut hosts = Vec::new();
            for At { value, place } in value {
                match value.parse() {
                    Ok(host) => hosts.push(host),
                    Err(why) => section.refuse(&place, format!("`diagnosis.control_hosts` has \"{value}\"; {why}")),
                }
            }
            hosts
        }
    };
    section.finish();
    hosts
}
