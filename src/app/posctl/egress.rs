//! `posctl config egress`: a drop-in for the daemon's unit that lets it reach the hosts of its configuration and no others.
//!
//! Owns: the text of the drop-in. Must not know: names and their addresses; a host that is given by name may have another
//! address tomorrow, and a filter that is wrong looks like a network that is broken.

use std::net::IpAddr;

use crate::app::config::Config;
use crate::domain::link::Endpoint;

/// Where the next router is, and name servers of the shop: asked by a diagnosis, and given by DHCP as it likes.
const NEAR: &str = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 link-local";

/// The drop-in; or which of the acquirer's hosts are given by name. `resolv_conf` is the text of the file of that name.
pub fn drop_in(config: &Config, resolv_conf: &str) -> Result<String, Vec<String>> {
    write(&config.profile_name, &config.profile.addresses, &config.control_hosts, resolv_conf)
}

fn write(profile: &str, acquirer: &[Endpoint], control: &[Endpoint], resolv_conf: &str) -> Result<String, Vec<String>> {
    let (hosts, named) = literal(acquirer);
    if !named.is_empty() {
        let complaint = |host| {
            format!(
                "{host}: the acquirer's host is given by name, and a filter needs its address; ask the acquirer whether it is \
                 fixed, write it to `addresses` of the profile (with tls.name for the certificate) / 收单主机以域名给出，\
                 过滤规则需要固定的IP地址；请与收单机构确认后写入 addresses"
            )
        };
        return Err(named.into_iter().map(complaint).collect());
    }
    let (control, named) = literal(control);
    let servers: Vec<IpAddr> = resolv_conf
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.split_whitespace().next()?.parse().ok())
        .collect();
    let mut text = format!(
        "# Made by posctl config egress for profile {profile}; make it anew when the profile, control_hosts or the name\n\
         # servers change. Belongs into /etc/systemd/system/smartposd.service.d/egress.conf; then systemctl daemon-reload.\n\
         [Service]\nIPAddressDeny=any\nIPAddressAllow=localhost\n"
    );
    let mut allow = |what: &str, addresses: &[IpAddr]| {
        for address in addresses {
            text.push_str(&format!("# {what}\nIPAddressAllow={address}\n"));
        }
    };
    allow("the acquirer", &hosts);
    allow("a control host of the diagnosis", &control);
    allow("a name server", &servers);
    text.push_str(&format!("# The next router, which is pinged by a diagnosis\nIPAddressAllow={NEAR}\n"));
    for host in named {
        text.push_str(&format!(
            "# Not reached from now on, because it is given by name; take it out of control_hosts: {host}\n"
        ));
    }
    Ok(text)
}

/// Those that are given by address, and the names of the others.
fn literal(hosts: &[Endpoint]) -> (Vec<IpAddr>, Vec<String>) {
    let (mut addresses, mut named) = (Vec::new(), Vec::new());
    for host in hosts {
        match host.host.parse() {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Ok(_) => {}
            Err(_) => named.push(host.host.clone()),
        }
    }
    (addresses, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Vec<Endpoint> {
        list.iter().map(|host| host.parse().unwrap()).collect()
    }

    #[test]
    fn every_literal_host_is_allowed_once_and_nothing_else() {
        let acquirer = hosts(&["192.0.2.7:5610", "192.0.2.7:5611", "[2001:db8::7]:5610"]);
        let control = hosts(&["223.5.5.5:443", "page.example:80"]);
        let text = write("bank", &acquirer, &control, "# x\nnameserver 9.9.9.9\noptions edns0\n").unwrap();
        let allowed: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("IPAddressAllow=")).collect();
        assert_eq!(allowed, ["localhost", "192.0.2.7", "2001:db8::7", "223.5.5.5", "9.9.9.9", NEAR]);
        assert!(text.contains("IPAddressDeny=any\n") && text.contains("control_hosts: page.example"), "{text}");
        assert!(!text.lines().any(|l| l.starts_with("IPAddress") && l.contains('#')), "systemd knows no comment there");
    }

    #[test]
    fn a_name_of_the_acquirer_is_refused_not_looked_up() {
        let refused = write("bank", &hosts(&["pos.bank.example:5610", "192.0.2.7:5610"]), &[], "").unwrap_err();
        assert_eq!(refused.len(), 1);
        assert!(refused[0].starts_with("pos.bank.example:"), "{refused:?}");
    }
}
