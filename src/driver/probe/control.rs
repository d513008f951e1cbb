//! The contrast: hosts that have nothing to do with the acquirer. Whether they answer tells the shop's network from the
//! bank's.
//!
//! A connection is opened and closed again. At port 80 one line of HTTP is asked for, because a network that wants a log-in
//! answers there in the place of everybody.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::names::{Resolved, resolve};
use super::{Boxed, literal};
use crate::domain::diagnosis::{Fault, Finding, Found, Step};
use crate::domain::link::Endpoint;

/// Where web pages are.
const HTTP: u16 = 80;
/// As much of a page as is read: status line and head.
const HEAD: usize = 2048;
/// What a host has for its page.
const PAGE: Duration = Duration::from_millis(1500);

/// What the contrast shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Hosts given by address.
    pub by_address: Finding,
    /// Hosts given by name.
    pub by_name: Finding,
    /// Whether a log-in page stands in the way.
    pub portal: Finding,
}

/// What came of one host.
enum Answer {
    Took,
    Page(String),
    Refused,
    Silent,
    Unknown,
}

/// Tries all control hosts at once.
pub async fn control(hosts: &[Endpoint], within: Duration) -> Contrast {
    let answers = join_all(hosts.iter().map(|host| ask(host, within))).await;
    let both: Vec<(&Endpoint, Answer)> = hosts.iter().zip(answers).collect();
    let page = both.iter().find_map(|(host, answer)| match answer {
        Answer::Page(seen) => Some(format!("{host}: {seen}")),
        _ => None,
    });
    let asked = both.iter().any(|(host, _)| host.port == HTTP);
    let portal = match page {
        Some(seen) => Finding::new(Step::Portal, Found::Failed(Fault::WebPage), seen),
        None if asked => Finding::new(Step::Portal, Found::Worked, "no log-in page stands in the way"),
        None => Finding::new(Step::Portal, Found::NotRun, "no control host at port 80 is configured"),
    };
    let (address, name): (Vec<_>, Vec<_>) = both.into_iter().partition(|(host, _)| literal(host).is_some());
    Contrast { by_address: sum(Step::Control, &address), by_name: sum(Step::ControlByName, &name), portal }
}

fn ask(host: &Endpoint, within: Duration) -> Boxed<'_, Answer> {
    Box::pin(async move {
        match timeout(within, reach(host)).await {
            Ok(answer) => answer,
            // A name that nobody knows is another matter than a host that is silent.
            Err(_) if literal(host).is_none() && resolve(host, Duration::ZERO).await == Resolved::Unknown => {
                Answer::Unknown
            }
            Err(_) => Answer::Silent,
        }
    })
}

async fn reach(host: &Endpoint) -> Answer {
    let Ok(addresses) = lookup_host((host.host.as_str(), host.port)).await else { return Answer::Unknown };
    let mut refused = false;
    for address in addresses.take(2) {
        match TcpStream::connect(address).await {
            Ok(stream) if host.port == HTTP => return page(stream, &host.host).await,
            Ok(_) => return Answer::Took,
            Err(error) => refused |= error.kind() == io::ErrorKind::ConnectionRefused,
        }
    }
    if refused { Answer::Refused } else { Answer::Silent }
}

/// Asks for the page; only a redirection elsewhere, or the code made for it, means a log-in page.
async fn page(mut stream: TcpStream, host: &str) -> Answer {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: smartposd\r\n\r\n");
    let mut head = Vec::new();
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        while head.len() < HEAD && !head.windows(4).any(|four| four == b"\r\n\r\n") {
            let mut piece = [0; 512];
            match stream.read(&mut piece).await? {
                0 => break,
                count => head.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
        }
        Ok::<(), io::Error>(())
    };
    // Whoever took the connection is there, whatever becomes of the page.
    let _ = timeout(PAGE, exchange).await;
    log_in_page(&head, host).map_or(Answer::Took, Answer::Page)
}

fn log_in_page(head: &[u8], host: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse::<u16>().ok()?;
    if status == 511 {
        return Some("the network asks for a log-in (511)".to_owned());
    }
    if !(300..400).contains(&status) {
        return None;
    }
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    })?;
    let elsewhere = location.split_once("://")?.1.split(['/', ':', '?']).next()?.to_ascii_lowercase();
    let own = |name: &str| name.strip_prefix("www.").unwrap_or(name).to_owned();
    (own(&elsewhere) != own(host)).then(|| format!("redirected to {elsewhere}"))
}

fn sum(step: Step, answers: &[(&Endpoint, Answer)]) -> Finding {
    if answers.is_empty() {
        return Finding::new(step, Found::NotRun, "no control host of this kind is configured");
    }
    if let Some((host, _)) = answers.iter().find(|(_, answer)| matches!(answer, Answer::Took)) {
        return Finding::new(step, Found::Worked, format!("{host} answers"));
    }
    let all = |wanted: fn(&Answer) -> bool| answers.iter().all(|(_, answer)| wanted(answer));
    let any = |wanted: fn(&Answer) -> bool| answers.iter().any(|(_, answer)| wanted(answer));
    let hosts = answers.iter().map(|(host, _)| host.to_string()).collect::<Vec<_>>().join(", ");
    let (fault, what) = if any(|a| matches!(a, Answer::Page(_))) {
        (Fault::WebPage, "a log-in page answers in their place")
    } else if all(|a| matches!(a, Answer::Unknown)) {
        (Fault::NameUnknown, "names not resolved")
    } else if any(|a| matches!(a, Answer::Refused)) {
        (Fault::Refused, "refused")
    } else {
        (Fault::Silent, "no answer")
    };
    Finding::new(step, Found::Failed(fault), format!("{hosts}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_redirection_elsewhere_is_a_log_in_page() {
        let moved = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n");
        let page = |head: &str| log_in_page(head.as_bytes(), "check.example").is_some();
        assert!(page(&moved("http://10.0.0.1/login?x=1")) && page(&moved("https://portal.hotel.example:8443/")));
        assert!(page("HTTP/1.1 511 Network Authentication Required\r\n\r\n"));
        assert!(!page(&moved("https://check.example/")) && !page(&moved("https://www.check.example/")));
        assert!(!page(&moved("/elsewhere")) && !page("HTTP/1.1 200 OK\r\n\r\n") && !page("") && !page("HTTP/1.1 30"));
    }

    #[tokio::test]
    async fn a_host_that_takes_the_connection_and_one_that_refuses_it() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there: Endpoint = open.local_addr().unwrap().to_string().parse().unwrap();
        let shut = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let gone: Endpoint = shut.local_addr().unwrap().to_string().parse().unwrap();
        drop(shut);
        let seen = control(&[gone.clone(), there], Duration::from_secs(2)).await;
        assert_eq!((seen.by_address.found, seen.by_name.found), (Found::Worked, Found::NotRun));
        let seen = control(&[gone], Duration::from_secs(2)).await;
        assert_eq!(seen.by_address.found, Found::Failed(Fault::Refused));
    }
}
