//! Devices as the kernel and udev show them: plain values. Text that could not be had is empty.

/// What a device is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A serial port.
    Serial,
    /// An input device with keys.
    Input,
    /// A GPIO chip.
    Gpio,
    /// An I²C bus.
    I2c,
    /// A USB device with nothing behind it that could be opened.
    Loose,
}

impl Kind {
    /// For programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Input => "input",
            Self::Gpio => "gpio",
            Self::I2c => "i2c",
            Self::Loose => "usb",
        }
    }
}

/// What an input device's keys make of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pad {
    /// Not a keypad: digits or an OK key are missing.
    #[default]
    No,
    /// Digits and an OK key, no letters.
    Numeric,
    /// A whole keyboard.
    Keyboard,
}

/// The USB device behind a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usb {
    /// Vendor, four hex digits.
    pub vendor: String,
    /// Product, four hex digits.
    pub product: String,
    /// Its own serial number.
    pub serial: String,
    /// The USB port it is plugged into, such as `1-1.2`.
    pub port: String,
    /// The interface, such as `1-1.2:1.0`.
    pub interface: String,
}

/// Who has it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody, as far as one may look.
    Nobody,
    /// Only root can see that.
    Unknown,
    /// The daemon.
    Daemon,
    /// Another program.
    Other {
        /// Its name.
        name: String,
        /// Its process.
        pid: u32,
    },
}

/// Whether the daemon's user may open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// There is no such user here.
    Unknown,
    /// It may.
    Granted,
    /// It may not.
    Refused {
        /// The group that may, or "".
        group: String,
    },
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What the kernel takes it for.
    pub kind: Kind,
    /// The node, such as `/dev/ttyUSB0`; for a loose USB device its port.
    pub node: String,
    /// Names that stay the same when the node's number changes; the best first.
    pub names: Vec<String>,
    /// What it calls itself, or its driver.
    pub title: String,
    /// The USB device behind it.
    pub usb: Option<Usb>,
    /// The device it belongs to, as the kernel names it.
    pub parent: String,
    /// What udev says that it is to smartposd.
    pub role: Option<String>,
    /// Whether the kernel has its console there.
    pub console: bool,
    /// What its keys make of it.
    pub pad: Pad,
    /// Who has it open.
    pub holder: Holder,
    /// Whether the daemon may open it.
    pub access: Access,
}

/// Where the configuration looks for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nowhere: there is to be none.
    None,
    /// Wherever it is found.
    Auto,
    /// Here, with all links followed.
    Node(String),
}

/// What the configuration wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Serial devices by their role.
    pub serial: Vec<(String, Wish)>,
    /// The keypad.
    pub keypad: Wish,
    /// Whether a whole keyboard will do.
    pub keyboards: bool,
}
