//! Link, address and route of this machine towards the acquirer, as the kernel has them. Sends nothing.

use std::net::IpAddr;
use std::path::Path;

use super::netlink::{self, Interface, Picture, Route};
use crate::domain::diagnosis::{Fault, Finding, Found, Step};

/// Below this level most radios lose what they send.
const WEAKEST_DBM: i32 = -80;
/// Interfaces that lead nowhere by themselves.
const INWARD: [&str; 4] = ["bridge", "dummy", "ifb", "nlmon"];

/// The next router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    /// Its address.
    pub ip: IpAddr,
    /// Through which interface.
    pub index: u32,
}

/// What is set up here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Carrier.
    pub link: Finding,
    /// Address and route.
    pub address: Finding,
    /// The next router, if there is one.
    pub router: Option<Router>,
    /// Whether the acquirer is on this very machine.
    pub on_this_machine: bool,
}

/// Looks at the way to these addresses of the acquirer, or to anywhere where it is known by name only. `proc` is where
/// the kernel's tables are.
pub fn local(acquirer: &[IpAddr], proc: &Path) -> Local {
    match look(acquirer) {
        Ok((picture, ways)) => judge(&picture, &ways, &proc.join("net/wireless")),
        Err(error) => {
            let why = format!("the kernel does not tell: {error}");
            plain(Finding::new(Step::Link, Found::NotRun, &why), Finding::new(Step::Address, Found::NotRun, &why))
        }
    }
}

fn look(acquirer: &[IpAddr]) -> std::io::Result<(Picture, Vec<Route>)> {
    let picture = netlink::look()?;
    let mut ways = Vec::new();
    for ip in acquirer {
        ways.extend(netlink::route_to(*ip)?);
    }
    if acquirer.is_empty() {
        ways.extend(picture.defaults.first());
    }
    Ok((picture, ways))
}

fn plain(link: Finding, address: Finding) -> Local {
    Local { link, address, router: None, on_this_machine: false }
}

fn judge(picture: &Picture, ways: &[Route], wireless: &Path) -> Local {
    if !ways.is_empty() && ways.iter().all(|way| way.local) {
        let why = "the acquirer is on this machine";
        let step = |step| Finding::new(step, Found::NotNeeded, why);
        return Local { on_this_machine: true, ..plain(step(Step::Link), step(Step::Address)) };
    }
    let way = ways.iter().find(|way| !way.local);
    let found = way.and_then(|way| Some((way, picture.interfaces.iter().find(|i| i.index == way.index)?)));
    match found {
        Some((way, interface)) => through(picture, way, interface, wireless),
        None => nowhere(picture),
    }
}

/// There is a way through this interface.
fn through(picture: &Picture, way: &Route, interface: &Interface, wireless: &Path) -> Local {
    let name = &interface.name;
    let link = if !interface.up || !interface.carrier {
        Finding::new(Step::Link, Found::Failed(Fault::NoCarrier), no_carrier(interface))
    } else {
        match level(wireless, name) {
            Some(dbm) if dbm < WEAKEST_DBM => {
                Finding::new(Step::Link, Found::Failed(Fault::Weak), format!("{name} receives at {dbm} dBm only"))
            }
            Some(dbm) => Finding::new(Step::Link, Found::Worked, format!("{name} is associated, {dbm} dBm")),
            None => Finding::new(Step::Link, Found::Worked, format!("{name} has carrier")),
        }
    };
    let own = picture.addresses.iter().find(|address| address.index == interface.index);
    let address = match (own, way.gateway) {
        (Some(own), Some(router)) => {
            Finding::new(Step::Address, Found::Worked, format!("{} on {name}, router {router}", own.ip))
        }
        (Some(own), None) => Finding::new(Step::Address, Found::Worked, format!("{} on {name}, no router", own.ip)),
        (None, _) => Finding::new(Step::Address, Found::Failed(Fault::NoAddress), format!("{name} has no address")),
    };
    let router = way.gateway.map(|ip| Router { ip, index: interface.index });
    Local { link, address, router, on_this_machine: false }
}

/// No way leads there.
fn nowhere(picture: &Picture) -> Local {
    let outward = |i: &&Interface| !i.loopback && !i.enslaved && !INWARD.contains(&i.kind.as_str());
    let candidates: Vec<&Interface> = picture.interfaces.iter().filter(outward).collect();
    let unknown = |why: &str| Finding::new(Step::Address, Found::NotRun, why);
    if candidates.is_empty() {
        let link = Finding::new(Step::Link, Found::Failed(Fault::NoInterface), "there is no network interface");
        return plain(link, unknown("no interface"));
    }
    let Some(live) = candidates.iter().find(|i| i.up && i.carrier) else {
        let seen: Vec<String> = candidates.iter().map(|i| no_carrier(i)).collect();
        let link = Finding::new(Step::Link, Found::Failed(Fault::NoCarrier), seen.join("; "));
        return plain(link, unknown("no carrier"));
    };
    let link = Finding::new(Step::Link, Found::Worked, format!("{} has carrier", live.name));
    let has_address = |i: &&&Interface| picture.addresses.iter().any(|a| a.index == i.index);
    let address = match candidates.iter().find(has_address) {
        Some(with) => {
            let seen = format!("{} has an address, but no route leads to the acquirer", with.name);
            Finding::new(Step::Address, Found::Failed(Fault::NoRoute), seen)
        }
        None => Finding::new(Step::Address, Found::Failed(Fault::NoAddress), format!("{} has no address", live.name)),
    };
    plain(link, address)
}

fn no_carrier(interface: &Interface) -> String {
    let name = &interface.name;
    if interface.up { format!("{name} has no carrier") } else { format!("{name} is switched off") }
}

/// The level at which a wireless interface receives, in dBm.
fn level(wireless: &Path, name: &str) -> Option<i32> {
    let table = std::fs::read_to_string(wireless).ok()?;
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    let level: i32 = line.split_whitespace().nth(2)?.trim_end_matches('.').parse().ok()?;
    // Some drivers write the byte without its sign.
    let dbm = if level > 63 { level - 256 } else { level };
    (dbm < 0).then_some(dbm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::probe::netlink::Address;

    fn interface(index: u32, name: &str, up: bool, carrier: bool) -> Interface {
        Interface { index, name: name.to_owned(), up, carrier, ..Interface::default() }
    }

    fn lo() -> Interface {
        Interface { loopback: true, ..interface(1, "lo", true, true) }
    }

    fn route(index: u32) -> Route {
        Route { index, gateway: Some([192, 0, 2, 1].into()), local: false, priority: 0 }
    }

    fn told(picture: &Picture, ways: &[Route]) -> (Found, Found) {
        let told = judge(picture, ways, Path::new("/nonexistent"));
        (told.link.found, told.address.found)
    }

    #[test]
    fn what_is_set_up_is_told_apart() {
        let own = Address { index: 2, ip: [192, 0, 2, 7].into() };
        let eth = |up, carrier| vec![lo(), interface(2, "eth0", up, carrier)];
        let picture = |interfaces, addresses| Picture { interfaces, addresses, defaults: vec![] };
        use Found::{Failed, NotRun, Worked};
        let well = picture(eth(true, true), vec![own]);
        assert_eq!(told(&well, &[route(2)]), (Worked, Worked));
        assert_eq!(told(&well, &[]), (Worked, Failed(Fault::NoRoute)));
        let bare = picture(eth(true, true), vec![]);
        assert_eq!(told(&bare, &[]), (Worked, Failed(Fault::NoAddress)));
        let pulled = picture(eth(true, false), vec![own]);
        assert_eq!(told(&pulled, &[route(2)]).0, Failed(Fault::NoCarrier));
        assert_eq!(told(&picture(eth(false, false), vec![]), &[]), (Failed(Fault::NoCarrier), NotRun));
        assert_eq!(told(&picture(vec![lo()], vec![]), &[]), (Failed(Fault::NoInterface), NotRun));
    }

    #[test]
    fn an_acquirer_on_this_machine_needs_no_link() {
        let way = Route { local: true, gateway: None, index: 1, priority: 0 };
        let told = judge(&Picture { interfaces: vec![lo()], ..Picture::default() }, &[way], Path::new("/nonexistent"));
        assert!(told.on_this_machine);
        assert_eq!((told.link.found, told.address.found), (Found::NotNeeded, Found::NotNeeded));
    }

    #[test]
    fn a_weak_radio_link_is_named_by_its_level() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wireless");
        let head = "Inter-| sta-|   Quality\n face | tus | link level noise\n";
        for (level, dbm) in [("-56.", Some(-56)), ("171.", Some(-85)), ("0.", None)] {
            std::fs::write(&file, format!("{head} wlan0: 0000   54.  {level}  -256        0      0\n")).unwrap();
            assert_eq!(super::level(&file, "wlan0"), dbm, "{level}");
            assert_eq!(super::level(&file, "wlan"), None);
        }
        std::fs::write(&file, format!("{head}wlan0: 0000   20.  -85.  -256        0      0\n")).unwrap();
        let own = Address { index: 2, ip: [192, 0, 2, 7].into() };
        let interfaces = vec![interface(2, "wlan0", true, true)];
        let picture = Picture { interfaces, addresses: vec![own], defaults: vec![] };
        assert_eq!(judge(&picture, &[route(2)], &file).link.found, Found::Failed(Fault::Weak));
    }
}
