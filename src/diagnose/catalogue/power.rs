//! P: power, clock and storage.

use super::{CARD_NOT_NOW, WAIT, entries};
use crate::diagnose::text::Text;

entries! {
    P01 0xe401743364974ecab81608a1a7128316 Technician
        title      "时钟不可信" "the clock cannot be trusted"
        evidence   "时钟未设、跳变，或与主机相差超过10分钟" "the clock is unset, has jumped, or differs from the host's by more than 10 min"
        action     "联机照常；脱机收款停止，直到时间可信" "goes on online; takes nothing offline until the time is known again"
        remedy     "联网校时，或打开时间同步" "set the time, or switch time synchronisation on"
        cashier    "联机收款正常；请通知技术人员校时" "payments online work; have the technician set the time"
        technician "timedatectl set-ntp true；检查时钟电池和 utc_offset" "timedatectl set-ntp true; check the clock's battery and utc_offset"
        customer   WAIT;

    P02 0xdb3d4403495d4915810c57fe64d46df4 Technician
        title      "存储空间不足或只读" "storage is full, read-only or failing"
        evidence   "写数据库失败：空间不足、只读或I/O错误" "the database cannot be written: no space, read-only or I/O errors"
        action     "在有风险之前停止新的付款；自动重试写盘，好了就恢复" "stops new payments before money is at risk; tries the disk again by itself and goes on when it works"
        remedy     "清理空间，或更换存储" "make room, or replace the storage"
        cashier    "暂时不能收款，请叫技术人员；不要断电" "no payments now; call the technician and do not switch off"
        technician "df -h /var/lib/smartposd、mount、dmesg；不要删除 pos.db 的任何文件" "df -h /var/lib/smartposd, mount, dmesg; delete none of the files of pos.db"
        customer   CARD_NOT_NOW;

    P03 0x2c08baadad39479a983a0cf6ac1ecad1 Technician
        title      "供电不足或过热" "undervoltage or heat"
        evidence   "内核报告欠压、限频或过热" "the kernel reports undervoltage, throttling or heat"
        action     "记录并通知，照常收款" "writes it down, raises a notice and goes on"
        remedy     "换合适的电源；过热则改善散热" "use a stronger power supply, or let it cool"
        cashier    "可以继续收款；请通知技术人员换电源" "payments go on; have the technician change the power supply"
        technician "换原装电源和短线；USB设备另行供电" "the original supply and a short cable; power USB devices apart"
        customer   WAIT;

    P04 0x37fe51e693e9496380b9c8ec33e375f0 Nobody
        title      "上次异常断电，正在核对交易" "it was switched off without shutdown; open payments are being checked"
        evidence   "启动时发现未正常结束的记录" "records were found at start that no orderly stop had left"
        action     "已发出的先冲正，未发出的取消，已完成的不变" "reverses what had left, cancels what had not, keeps what was done"
        remedy     "无需处理；看 posctl status 的未结交易" "nothing to do; posctl status shows what is still open"
        cashier    "请等核对完成，再看上一笔的结果" "wait until it is checked, then look at the last payment's result"
        technician "反复断电时检查电源和插座；请用关机而不是拔电" "if it comes back, check supply and socket; shut down instead of pulling the plug"
        customer   Text::new("上一笔正在核实，多扣的款会退回", "the last payment is being checked; nothing will be charged twice");
}
