//! The known issues. Each was read at its source before it was put here; what a source does not say is not claimed.

use super::Certainty::{Certain, Possible};
use super::{Condition, Issue};
use crate::diagnose::text::Text;

const CH340: [&str; 3] = ["1a86", "", ""];
const CP2102: [&str; 3] = ["10c4", "ea60", ""];
const FTDI: [&str; 3] = ["0403", "", ""];

/// All of them.
pub const ISSUES: [Issue; 11] = [
    Issue {
        name: "sqlite-wal-reset",
        conditions: &[Condition::Sqlite("3.7.0", "3.51.3")],
        certainty: Possible,
        effect: Text::new(
            "两个连接同时写入或做检查点时，数据库极少数情况下可能损坏",
            "in rare cases the database can be damaged when two connections write or checkpoint at the same moment",
        ),
        remedy: Text::new(
            "升级 smartposd；在此之前不要在服务运行时用其他程序打开 pos.db",
            "upgrade smartposd; until then open pos.db with no other program while the service runs",
        ),
        sources: &["https://www.sqlite.org/wal.html#walresetbug"],
    },
    Issue {
        name: "console-on-reader-port",
        conditions: &[Condition::ConsoleAtReader],
        certainty: Certain,
        effect: Text::new(
            "系统控制台占用读卡器的串口，读卡器会收到登录提示等无关数据",
            "the system console is on the reader's port and sends its own text to the reader",
        ),
        remedy: Text::new(
            "从内核命令行（cmdline.txt）删去该串口的 console=，重启",
            "take console= with this port out of the kernel's command line (cmdline.txt) and restart",
        ),
        sources: &["https://www.raspberrypi.org/documentation/configuration/uart.md"],
    },
    Issue {
        name: "raspberry-pi-mini-uart",
        conditions: &[Condition::Board(&["Raspberry Pi 3", "Raspberry Pi Zero W"]), Condition::ReaderPort("ttyS0")],
        certainty: Possible,
        effect: Text::new(
            "该串口是 mini UART，波特率随核心频率变化，数据可能出错",
            "this port is the mini UART: its baud rate follows the core clock, so data can be damaged",
        ),
        remedy: Text::new(
            "在 config.txt 中设 enable_uart=1（固定频率），或把 PL011 换给读卡器，或改用 USB 串口",
            "set enable_uart=1 in config.txt (fixed clock), or give the PL011 to the reader, or use a USB port",
        ),
        sources: &["https://www.raspberrypi.org/documentation/configuration/uart.md"],
    },
    Issue {
        name: "brltty-takes-adapter",
        conditions: &[
            Condition::Installed("brltty"),
            Condition::AnyAdapter(&[["1a86", "7523", ""], CP2102, ["0403", "6001", ""]]),
        ],
        certainty: Possible,
        effect: Text::new(
            "brltty 把 USB 串口当作盲文显示器占用，读卡器的串口刚出现就消失",
            "brltty takes the USB adapter for a braille display: the reader's port vanishes just after it appears",
        ),
        remedy: Text::new(
            "不使用盲文显示器时卸载：apt remove brltty",
            "remove it where no braille display is used: apt remove brltty",
        ),
        sources: &[
            "https://github.com/Joshua-Riek/ubuntu-rockchip/issues/621",
            "https://koen.vervloesem.eu/blog/how-to-stop-brltty-from-claiming-your-usb-uart-interface-on-linux",
            "https://lynxbee.com/solved-brltty-usb-com-port-gets-immediately-disconnected",
        ],
    },
    Issue {
        name: "modemmanager-probes-ports",
        conditions: &[Condition::Older("modemmanager", "1.15"), Condition::AnyAdapter(&[CH340, CP2102, FTDI])],
        certainty: Possible,
        effect: Text::new(
            "若未用严格策略，ModemManager 会向未排除的串口发送探测数据，干扰读卡器",
            "unless started with the strict policy, ModemManager probes every port that is not excluded, the reader's too",
        ),
        remedy: Text::new(
            "用 --filter-policy=STRICT 启动，或给该设备设 udev 标记 ID_MM_DEVICE_IGNORE，或卸载",
            "start it with --filter-policy=STRICT, or tag the device ID_MM_DEVICE_IGNORE in udev, or remove it",
        ),
        sources: &[
            "https://freedesktop.org/software/ModemManager/api/1.12.0/ch03s02.html",
            "https://www.freedesktop.org/software/ModemManager/man/1.14.0/ModemManager.8.html",
        ],
    },
    Issue {
        name: "pl2303hx-clone",
        conditions: &[Condition::ReaderAdapter(&[["067b", "2303", "0300"]])],
        certainty: Possible,
        effect: Text::new(
            "若是仿制的 PL2303HX，高于 115200 的波特率不可用",
            "if this is a cloned PL2303HX, no rate above 115200 baud works",
        ),
        remedy: Text::new(
            "设 reader.baud_max = 115200，或更换转接器",
            "set reader.baud_max = 115200, or use another adapter",
        ),
        sources: &["https://git.kernel.org/torvalds/c/7d26a78f62ff4fb08bc5ba740a8af4aa7ac67da4"],
    },
    Issue {
        name: "pl2303gc-not-recognised",
        conditions: &[Condition::Kernel("5.13", "5.16"), Condition::AnyAdapter(&[["067b", "", "0105"]])],
        certainty: Possible,
        effect: Text::new(
            "内核不认识这一版 PL2303GC，没有串口，读卡器显示为断开",
            "the kernel does not know this release of the PL2303GC: there is no port, and the reader counts as absent",
        ),
        remedy: Text::new("升级内核，或更换转接器", "upgrade the kernel, or use another adapter"),
        sources: &["https://lore.kernel.org/r/20211123091017.30708-1-johan@kernel.org"],
    },
    Issue {
        name: "cp2102-drops-characters",
        conditions: &[Condition::Kernel("5.9", "5.15"), Condition::ReaderAdapter(&[CP2102])],
        certainty: Possible,
        effect: Text::new(
            "若是仿制的 CP2102，驱动会把部分数据当作转义序列删掉，读卡器帧校验出错",
            "with a counterfeit CP2102 the driver takes data for escapes and drops it: frames arrive damaged",
        ),
        remedy: Text::new(
            "升级内核（发行版可能已含修正），或更换转接器",
            "upgrade the kernel (the distribution may have the fix already), or use another adapter",
        ),
        sources: &["https://lore.kernel.org/r/20210922113100.20888-1-johan@kernel.org"],
    },
    Issue {
        name: "ch340-inaccurate-921600",
        conditions: &[Condition::Kernel("2.6", "5.5"), Condition::ReaderAdapter(&[CH340])],
        certainty: Possible,
        effect: Text::new(
            "此内核驱动下 CH340 在 921600 波特时误差达 7.5%，无法通信",
            "with this kernel a CH340 set to 921600 baud is 7.5 % off: nothing gets through",
        ),
        remedy: Text::new(
            "设 reader.baud_max = 460800，或升级内核",
            "set reader.baud_max = 460800, or upgrade the kernel",
        ),
        sources: &["https://git.kernel.org/torvalds/c/35714565089e5e8b091c1155517b67e29118f09d"],
    },
    Issue {
        name: "ftdi-latency",
        conditions: &[Condition::ReaderAdapter(&[FTDI]), Condition::ReaderLatencyAbove(2)],
        certainty: Certain,
        effect: Text::new(
            "FTDI 芯片把收到的短数据压后最多 16 毫秒，一次挥卡有多次往返，明显变慢",
            "the FTDI chip holds short answers back, by default 16 ms; a tap takes several, so it is slower than need be",
        ),
        remedy: Text::new(
            "把 /sys/bus/usb-serial/devices/ttyUSBn/latency_timer 设为 2（可用 udev 规则）",
            "write 2 to /sys/bus/usb-serial/devices/ttyUSBn/latency_timer, for good by a udev rule",
        ),
        sources: &[
            "https://www.ftdichip.com/Support/Knowledgebase/an232b_04adjlatency.htm",
            "https://www.ftdichip.com/Support/Knowledgebase/settingacustomdefaultlaten.htm",
        ],
    },
    Issue {
        name: "pn532-before-1-6",
        conditions: &[Condition::ReaderOlder("PN532", "1.6")],
        certainty: Possible,
        effect: Text::new(
            "有用户报告固件 1.4 的 PN532 模块读不到卡，换 1.6 后正常",
            "a user has reported a PN532 module with firmware 1.4 that read no card where one with 1.6 did",
        ),
        remedy: Text::new("若读卡失败多，换固件 1.6 的模块", "if many cards fail, use a module with firmware 1.6"),
        sources: &["https://github.com/nfc-tools/libnfc/issues/557"],
    },
];
