//! Items of maintenance and wear counters in words.

use crate::diagnose::text::Text;
use crate::domain::upkeep::{Counter, Item};

/// An item in words.
pub const fn item(item: Item) -> Text {
    match item {
        Item::Start => Text::new("投入使用", "taken into service"),
        Item::Inspection => {
            Text::new("巡检：外观、封签、接线、读卡、按键", "inspection of case, seals, cables, reader and keys")
        }
        Item::Cleaning => Text::new("清洁读卡区和键盘", "cleaning of reader and keypad"),
        Item::Battery => Text::new("检查时钟电池和电源", "check of the clock's battery and the supply"),
        Item::Keys => Text::new("更换主密钥", "renewal of the master key"),
        Item::Certificate => Text::new("核对收单机构证书", "check of the acquirer's certificate"),
        Item::Backup => Text::new("备份并带离现场", "a backup, kept elsewhere"),
    }
}

/// A counter in words.
pub const fn counter(counter: Counter) -> Text {
    match counter {
        Counter::Taps => Text::new("挥卡", "taps"),
        Counter::ReadFailures => Text::new("读卡失败", "card-read failures"),
        Counter::Frames => Text::new("读卡器帧", "frames of the reader"),
        Counter::FramingErrors => Text::new("读卡器线路干扰", "damaged frames"),
        Counter::AckTimeouts => Text::new("读卡器未应答", "commands unanswered"),
        Counter::ReaderResets => Text::new("读卡器重启", "resets of the reader"),
        Counter::ReaderWakes => Text::new("读卡器唤醒", "wake-ups of the reader"),
        Counter::KeyPresses => Text::new("按键", "key presses"),
        Counter::KeyBounces => Text::new("按键抖动", "key bounces"),
        Counter::StuckKeys => Text::new("按键卡住", "stuck keys"),
        Counter::Undervoltage => Text::new("供电不足或过热", "power short or hot"),
        Counter::WrittenKib => Text::new("写盘 KiB", "KiB written to the disk"),
        Counter::StorageWear => Text::new("存储寿命已用 %", "disk life used, %"),
        Counter::StorageSpares => Text::new("存储备用块状态", "state of spare blocks"),
        Counter::ClockDifference => Text::new("与主机时差 秒", "difference to the host's clock, s"),
        Counter::KeyAge => Text::new("工作密钥 小时", "age of working keys, h"),
        Counter::CertificateDays => Text::new("证书剩余 天", "days left of the certificate"),
    }
}
