//! `posctl devices …`

use std::path::PathBuf;

use clap::Subcommand;

/// What a device is to be; as udev has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceRole {
    /// The card reader
    Reader,
    /// The second card reader
    Reader2,
    /// The code scanner
    Scanner,
    /// The keypad
    Keypad,
    /// A GPIO chip with lamps, buzzer, reset or tamper line
    Gpio,
    /// The I2C bus of the display
    Display,
    /// Nothing: smartposd leaves it alone
    None,
}

impl DeviceRole {
    /// The value of udev's property.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Reader2 => "reader2",
            Self::Scanner => "scanner",
            Self::Keypad => "keypad",
            Self::Gpio => "gpio",
            Self::Display => "display",
            Self::None => "none",
        }
    }
}

/// `posctl devices …`
#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// Say what a device is: writes a udev rule for it, as root, and applies it
    #[command(
        after_help = "A USB device with a serial number is known by it wherever it is plugged in; one without by its USB \
                      port. A role that another device had by this command goes to the new one."
    )]
    Mark {
        /// A device node or one of its names, as posctl devices shows it
        #[arg(value_name = "DEVICE")]
        device: PathBuf,
        /// What it is
        #[arg(value_name = "ROLE")]
        role: DeviceRole,
        /// Know it by its USB port, even if it has a serial number
        #[arg(long)]
        by_port: bool,
        /// Only print the rule
        #[arg(long)]
        dry_run: bool,
        /// The rules file
        #[arg(long, value_name = "FILE", default_value = "/etc/udev/rules.d/59-smartposd-local.rules")]
        rules: PathBuf,
    },
}
