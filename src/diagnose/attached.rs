//! What a device on this machine is to the daemon, and what a person can do about it.
//!
//! Owns: the order in which reasons count. Must not know: where facts come from ([`crate::domain::attached`]).

use crate::domain::attached::{Access, Attached, Holder, Kind, Pad, Wanted, Wish};

/// How a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The daemon takes it, or has it.
    Taken,
    /// The daemon takes it when nothing better is there.
    Candidate,
    /// It could be taken, and is not.
    NotTaken,
    /// It is known to be something else.
    LeftAlone,
    /// It cannot be what the daemon needs.
    Unsuitable,
    /// It should be taken, and something is in the way.
    Hindered,
}

impl Standing {
    /// For programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Candidate => "candidate",
            Self::NotTaken => "not-taken",
            Self::LeftAlone => "left-alone",
            Self::Unsuitable => "unsuitable",
            Self::Hindered => "hindered",
        }
    }
}

/// A sentence in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// 中文.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Said {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// What is to be said about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub why: Said,
    /// What to do; empty where nothing is to be done.
    pub next: Said,
}

/// Explains all of them, in the same order.
pub fn explain(all: &[Attached], wanted: &Wanted) -> Vec<Explained> {
    let keypad = keypad(all, wanted);
    let of = |device: &Attached| {
        let first = match device.kind {
            Kind::Serial => serial(device, wanted),
            Kind::Input => input(device, wanted, keypad),
            Kind::Gpio => by_role(device, "gpio", "reset_line, lamps, buzzer, tamper"),
            Kind::I2c => by_role(device, "display", "panel.display"),
            Kind::Loose => loose(device),
        };
        hindered(device, first)
    };
    all.iter().map(of).collect()
}

/// The node of the keypad that is found by itself: by its role, else a numeric pad, else a keyboard if one will do.
fn keypad<'a>(all: &'a [Attached], wanted: &Wanted) -> Option<&'a str> {
    let inputs = || all.iter().filter(|device| device.kind == Kind::Input);
    let free = |device: &&Attached| device.role.is_none();
    let tagged = || inputs().filter(|device| device.role.as_deref() == Some("keypad"));
    let found = tagged()
        .find(|device| device.pad != Pad::No)
        .or_else(|| tagged().next())
        .or_else(|| inputs().filter(free).find(|device| device.pad == Pad::Numeric))
        .or_else(|| inputs().filter(free).find(|device| wanted.keyboards && device.pad == Pad::Keyboard));
    found.map(|device| device.node.as_str())
}

fn serial(device: &Attached, wanted: &Wanted) -> Explained {
    let node = &device.node;
    if device.console {
        let port = node.rsplit('/').next().unwrap_or_default();
        return Explained {
            standing: Standing::Unsuitable,
            why: Said::new("内核控制台占用此串口", "the kernel has its console here"),
            next: Said::new(
                format!(
                    "要用它接设备：从内核命令行删除 console={port}，执行 systemctl disable --now serial-getty@{port}，然后重启"
                ),
                format!(
                    "to use it for a device, remove console={port} from the kernel's command line, run systemctl disable \
                     --now serial-getty@{port}, and restart the machine"
                ),
            ),
        };
    }
    let here = |wish: &Wish| matches!(wish, Wish::Node(path) if path == node);
    if let Some((role, _)) = wanted.serial.iter().find(|(_, wish)| here(wish)) {
        return taken(format!("配置文件指定为 {role}"), format!("the configuration names it as {role}"));
    }
    match device.role.as_deref() {
        Some("none") => left_alone(),
        Some(role) => with_role(device, role, wanted),
        None => without_role(device, wanted),
    }
}

/// udev has given it a role.
fn with_role(device: &Attached, role: &str, wanted: &Wanted) -> Explained {
    match wanted.serial.iter().find(|(name, _)| name == role) {
        Some((_, Wish::Auto)) => taken(format!("udev 标记为 {role}"), format!("udev gives it the role {role}")),
        Some((_, Wish::Node(path))) => Explained {
            standing: Standing::NotTaken,
            why: Said::new(
                format!("udev 标记为 {role}，但配置文件指定了 {path}"),
                format!("udev gives it the role {role}, but the configuration names {path}"),
            ),
            next: Said::new(
                format!("要用此设备：在 smartposd.toml 中设 {role} 的 path = \"auto\""),
                format!("to use this one, set path = \"auto\" for {role} in smartposd.toml"),
            ),
        },
        Some((_, Wish::None)) | None => Explained {
            standing: Standing::NotTaken,
            why: Said::new(
                format!("udev 标记为 {role}，但配置文件没有启用"),
                format!("udev gives it the role {role}, which the configuration does not ask for"),
            ),
            next: mark(
                device,
                &format!("要启用：在 smartposd.toml 中配置 {role}；或改为其他角色："),
                &format!("ask for {role} in smartposd.toml, or give it another role: "),
            ),
        },
    }
}

/// A port that can be anything.
fn without_role(device: &Attached, wanted: &Wanted) -> Explained {
    let auto = wanted.serial.iter().any(|(role, wish)| role.starts_with("reader") && *wish == Wish::Auto);
    let known = device.usb.is_some() || device.names.iter().any(|name| name.ends_with("/serial0"));
    if auto && known {
        return Explained {
            standing: Standing::Candidate,
            why: Said::new(
                "没有角色；找不到已标记的读卡器时，按应答识别",
                "no role; tried as a card reader, by its answers, when no port with that role is there",
            ),
            next: mark(device, "固定用途：", "to settle what it is: "),
        };
    }
    Explained {
        standing: Standing::NotTaken,
        why: if known || !auto {
            Said::new("没有角色，配置文件也未指定", "it has no role, and the configuration does not name it")
        } else {
            Said::new(
                "主板串口，没有角色，不会自动使用",
                "a port of the board itself without a role: it is not taken by itself",
            )
        },
        next: mark(device, "要使用：", "to use it: "),
    }
}

fn input(device: &Attached, wanted: &Wanted, keypad: Option<&str>) -> Explained {
    let node = device.node.as_str();
    match (&wanted.keypad, device.role.as_deref(), device.pad) {
        (Wish::Node(path), _, _) if path == node => {
            taken("配置文件指定为键盘", "the configuration names it as the keypad")
        }
        (Wish::Auto, _, _) if keypad == Some(node) => {
            let what = match (device.role.is_some(), device.pad) {
                (true, _) => ("udev 标记为 keypad", "udev gives it the role keypad"),
                (false, Pad::Keyboard) => ("配置允许使用全键盘", "a whole keyboard, which the configuration allows"),
                (false, _) => ("数字键盘", "a numeric pad"),
            };
            taken(what.0, what.1)
        }
        (_, Some(role), _) if role != "keypad" => Explained {
            standing: Standing::LeftAlone,
            why: Said::new("已知为其他设备，不当作键盘", "known to be something else; not taken as a keypad"),
            next: if role == "scanner" {
                Said::new(
                    "请用说明书中的设置码把扫码器切换到串口模式",
                    "set the scanner to serial mode (USB-COM, CDC) by the codes in its manual",
                )
            } else {
                Said::default()
            },
        },
        (_, _, Pad::No) => Explained {
            standing: Standing::Unsuitable,
            why: Said::new("没有数字键和确认键", "no digits, or no enter key"),
            next: Said::new(
                format!("键位特殊的键盘可以指定：posctl devices mark {node} keypad"),
                format!("a pad with unusual keys can be named: posctl devices mark {node} keypad"),
            ),
        },
        (Wish::Auto, None, Pad::Keyboard) if !wanted.keyboards => Explained {
            standing: Standing::NotTaken,
            why: Said::new("全键盘不会自动使用", "a whole keyboard is not taken by itself"),
            next: Said::new(
                format!("要使用：posctl devices mark {node} keypad（控制台将不能再用它）"),
                format!("to use it: posctl devices mark {node} keypad (the console loses it)"),
            ),
        },
        (_, _, Pad::Numeric | Pad::Keyboard) => Explained {
            standing: Standing::NotTaken,
            why: Said::new("已有另一个键盘", "another keypad comes first"),
            next: Said::new(
                format!("要改用此键盘：posctl devices mark {node} keypad"),
                format!("to use this one: posctl devices mark {node} keypad"),
            ),
        },
    }
}

/// What is used only by name, with the role that lets the daemon open it.
fn by_role(device: &Attached, role: &str, settings: &str) -> Explained {
    if device.role.as_deref() == Some(role) {
        return taken(
            format!("udev 标记为 {role}：可在配置中使用（{settings}）"),
            format!("udev gives it the role {role}: the configuration may use it ({settings})"),
        );
    }
    let node = &device.node;
    Explained {
        standing: Standing::NotTaken,
        why: Said::new("没有角色", "it has no role"),
        next: Said::new(
            format!("要让服务使用（{settings}）：posctl devices mark {node} {role}"),
            format!("to let the daemon use it ({settings}): posctl devices mark {node} {role}"),
        ),
    }
}

fn loose(device: &Attached) -> Explained {
    let id = device.usb.as_ref().map(|usb| format!("{}:{}", usb.vendor, usb.product)).unwrap_or_default();
    Explained {
        standing: Standing::Unsuitable,
        why: Said::new("内核没有驱动接管此 USB 设备", "no kernel driver has taken this USB device"),
        next: Said::new(
            format!("若它是读卡器、扫码器或键盘：查找 {id} 的驱动（modprobe），或切换到串口、键盘模式"),
            format!(
                "if it is a reader, scanner or keypad, look for the driver of {id} (modprobe), or set it to its serial mode"
            ),
        ),
    }
}

/// Whoever should be taken has to be free and open to the daemon.
fn hindered(device: &Attached, first: Explained) -> Explained {
    if !matches!(first.standing, Standing::Taken | Standing::Candidate) {
        return first;
    }
    let node = &device.node;
    if let Holder::Other { name, pid } = &device.holder {
        return Explained {
            standing: Standing::Hindered,
            why: Said::new(
                format!("{}，但被 {name}（进程 {pid}）占用", first.why.zh),
                format!("{}, but {name} (process {pid}) has it open", first.why.en),
            ),
            next: Said::new(
                format!("停止 {name}，不要让它再占用 {node}"),
                format!("stop {name}, and keep it from {node}"),
            ),
        };
    }
    if let Access::Refused { group } = &device.access {
        let (zh, en) = if group.is_empty() {
            ("只有 root 可以打开".to_owned(), "only root may open it".to_owned())
        } else {
            (format!("只有 {group} 组可以打开"), format!("only the group {group} may open it"))
        };
        return Explained {
            standing: Standing::Hindered,
            why: Said::new(format!("{}，但{zh}", first.why.zh), format!("{}, but {en}", first.why.en)),
            next: mark(device, "给它一个角色，服务即可打开：", "give it its role, which opens it to the daemon: "),
        };
    }
    let has = device.holder == Holder::Daemon;
    let why = if has {
        Said::new(format!("{}；服务正在使用", first.why.zh), format!("{}; smartposd has it open", first.why.en))
    } else {
        first.why
    };
    Explained { standing: if has { Standing::Taken } else { first.standing }, why, next: first.next }
}

fn taken(zh: impl Into<String>, en: impl Into<String>) -> Explained {
    Explained { standing: Standing::Taken, why: Said::new(zh, en), next: Said::default() }
}

fn left_alone() -> Explained {
    Explained {
        standing: Standing::LeftAlone,
        why: Said::new(
            "已知不归本服务使用（没有对应驱动，或属于其他程序）",
            "known to be nothing that smartposd drives",
        ),
        next: Said::default(),
    }
}

fn mark(device: &Attached, zh: &str, en: &str) -> Said {
    let roles = match device.kind {
        Kind::Serial => "reader|reader2|scanner|none",
        Kind::Input => "keypad|none",
        Kind::Gpio => "gpio",
        Kind::I2c => "display",
        Kind::Loose => "none",
    };
    let order = format!("posctl devices mark {} {roles}", device.node);
    Said::new(format!("{zh}{order}"), format!("{en}{order}"))
}

#[cfg(test)]
mod tests;
