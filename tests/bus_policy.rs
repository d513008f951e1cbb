//! What it proves: the shipped bus policy lets in root and the group, and nobody else, neither to call nor to listen;
//! and the shipped files name what the code asks for.

#[path = "common/bus.rs"]
mod bus;

use std::os::unix::process::CommandExt;
use std::process::Command;

use bus::{POLICY, PrivateBus, Stage, World, same_user, skip};
use smartpos::bus::names;

const ACTIONS: &str = include_str!("../systemd/org.smartposd.pos1.policy");
const ACTIVATION: &str = include_str!("../systemd/org.smartposd.Pos1.service");

/// The policy with the daemon's user and the apps' group replaced by ones that every machine has.
fn policy_for_this_machine(user: &str) -> String {
    let policy = POLICY.replace(r#"user="smartposd""#, &format!(r#"user="{user}""#));
    let policy = policy.replace(r#"group="smartpos""#, r#"group="games""#);
    assert!(policy.contains(r#"group="games""#) && policy != POLICY, "the policy has other names than expected");
    policy
}

/// A call of the Manager's version by a user of this machine.
async fn version_as(bus: &PrivateBus, uid: u32, gid: u32) -> Result<String, String> {
    let mut command = Command::new("dbus-send");
    command
        .arg(format!("--bus={}", bus.address))
        .args(["--print-reply", "--dest=org.smartposd.Pos1", names::ROOT, "org.freedesktop.DBus.Properties.Get"])
        .args([&format!("string:{}", names::MANAGER_INTERFACE), "string:Version"])
        .current_dir("/")
        .uid(uid)
        .gid(gid);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn only_root_and_the_group_get_in() {
    const TEST: &str = "only_root_and_the_group_get_in";
    if !nix::unistd::geteuid().is_root() {
        return skip(TEST, "only root can call as other users");
    }
    let games = nix::unistd::Group::from_name("games").unwrap();
    let (Some(player), Some(games)) = (nix::unistd::User::from_name("games").unwrap(), games) else {
        return skip(TEST, "no user and group games");
    };
    let Some(nobody) = nix::unistd::User::from_name("nobody").unwrap() else { return skip(TEST, "no user nobody") };
    if Command::new("dbus-send").arg("--help").output().is_err() {
        return skip(TEST, "no dbus-send");
    }
    let Some(bus) = PrivateBus::with_policy(TEST, &policy_for_this_machine("root")) else { return };
    let _stage = Stage::with(&bus, Box::new(World::usual), same_user()).await.unwrap();
    let member = version_as(&bus, player.uid.as_raw(), games.gid.as_raw()).await;
    assert!(member.is_ok_and(|v| v.contains(env!("CARGO_PKG_VERSION"))));
    assert!(version_as(&bus, 0, 0).await.is_ok());
    let refused = version_as(&bus, nobody.uid.as_raw(), nobody.gid.as_raw()).await.unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
}

#[tokio::test]
async fn on_a_private_bus_only_the_same_user_may_act() {
    const TEST: &str = "on_a_private_bus_only_the_same_user_may_act";
    if !nix::unistd::geteuid().is_root() {
        return skip(TEST, "only root can call as other users");
    }
    let Some(nobody) = nix::unistd::User::from_name("nobody").unwrap() else { return skip(TEST, "no user nobody") };
    let Some(bus) = PrivateBus::start(TEST) else { return };
    let stage = Stage::usual(&bus).await;
    let mut command = Command::new("dbus-send");
    command
        .arg(format!("--bus={}", bus.address))
        .args(["--print-reply", "--dest=org.smartposd.Pos1", names::TERMINAL])
        .arg(format!("{}.OperatorSignOut", names::TERMINAL_INTERFACE))
        .current_dir("/")
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw());
    let Ok(output) = tokio::task::spawn_blocking(move || command.output()).await.unwrap() else {
        return skip(TEST, "no dbus-send");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("org.smartposd.Pos1.Error.NotAuthorized"), "{said}");
    assert!(stage.commands().is_empty());
}

#[test]
fn the_shipped_files_name_what_the_code_asks_for() {
    const RIGHTS: [&str; 9] = [
        "trade",
        "sign-in",
        "operate",
        "administer-operators",
        "load-keys",
        "read-all",
        "maintain",
        "queue",
        "resolve",
    ];
    for right in RIGHTS {
        let from = ACTIONS.find(&format!(r#"<action id="org.smartposd.pos1.{right}">"#)).expect(right);
        let action = &ACTIONS[from..from + ACTIONS[from..].find("</action>").unwrap()];
        for part in ["<description>", "<description xml:lang=\"zh_CN\">", "<message>", "<message xml:lang=\"zh_CN\">"] {
            assert!(action.contains(part), "{right} has no {part}");
        }
        // Without this polkit answers about others to root only.
        assert!(action.contains(r#"policykit.owner">unix-user:smartposd<"#), "{right} has another owner");
    }
    assert_eq!(ACTIONS.matches("<action ").count(), RIGHTS.len(), "an action that nothing asks for");
    for strict in ["administer-operators", "load-keys", "read-all", "maintain", "resolve"] {
        let from = ACTIONS.find(&format!("pos1.{strict}\"")).unwrap();
        let action = &ACTIONS[from..from + ACTIONS[from..].find("</action>").unwrap()];
        assert!(!action.contains(">yes<"), "{strict} is for administrators");
    }
    assert!(ACTIVATION.contains(&format!("\nName={}\n", names::BUS_NAME)));
    assert!(ACTIVATION.contains("\nSystemdService=smartposd.service\n") && ACTIVATION.contains("\nUser=smartposd\n"));
}
