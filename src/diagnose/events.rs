//! What can happen that a person should find in the journal, besides the causes: one word, id and text each.
//!
//! Owns: the closed list. Every line of the daemon names one of these (`POS_EVENT`); where a cause stands beside it, the
//! line bears the cause's id, so that `journalctl -x` prints what to do.

use crate::diagnose::text::{MessageId, Text};
use crate::domain::outcome::words;

/// Lines of one id in a minute, where the daemon itself decides how many there are.
const OWN: u32 = 120;
/// The same where somebody outside can provoke them.
const PROVOKED: u32 = 20;
/// The same for payments: a busy till, and no more.
const PAYMENTS: u32 = 600;

/// One kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// What its lines bear in the journal, unless a cause stands beside; never changes.
    pub id: MessageId,
    /// How many of them a minute may have; the rest is counted and said in one line.
    pub per_minute: u32,
    /// What has happened.
    pub title: Text,
    /// What it means, and what there is to do.
    pub meaning: Text,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $word:literal $id:literal $limit:ident
        title $title_zh:literal $title_en:literal
        meaning $meaning_zh:literal $meaning_en:literal;)+) => {
        words! {
            /// What has happened.
            JournalEvent { $($(#[$doc])* $name = $word,)+ }
        }

        impl JournalEvent {
            /// Its id, limit and texts.
            pub const fn entry(self) -> EventEntry {
                match self {
                    $(Self::$name => EventEntry {
                        id: MessageId($id),
                        per_minute: $limit,
                        title: Text::new($title_zh, $title_en),
                        meaning: Text::new($meaning_zh, $meaning_en),
                    },)+
                }
            }
        }
    };
}

events! {
    /// The daemon serves.
    DaemonStarted "daemon-started" 0x1c15e6557c334180bf1be8c0627e11a3 OWN
        title   "smartposd 已启动" "smartposd has started"
        meaning "接口已在总线上。是否可以收款看 posctl status。" "It is on the bus. posctl status says what can be paid.";
    /// A diagnosis has ended.
    Diagnosed "diagnosed" 0x9f550ef9497b3ea640eb1bf8e1fe346e OWN
        title   "诊断结束" "A diagnosis has ended"
        meaning "POS_CAUSE 是第一个断点，POS_EVIDENCE 是依据；没有原因即一切正常。全部步骤看 posctl doctor。" "POS_CAUSE is the first broken link, POS_EVIDENCE what was seen; no cause means that all is well. posctl doctor shows each step.";
    /// A self-test has ended.
    SelfTested "self-tested" 0x5f1c7be02d9a4c6b8e34a1d07c92f6e8 OWN
        title   "自检结束" "A self-test has ended"
        meaning "POS_EVIDENCE 是没有通过的部件；为空即全部通过。再做一次：posctl selftest。" "POS_EVIDENCE names the parts that did not pass; empty: all did. Again: posctl selftest.";
    /// The daemon was told to stop.
    DaemonStopped "daemon-stopped" 0xa7e741848d2b47ba9318aab9b168bda9 OWN
        title   "smartposd 正常停止" "smartposd was stopped"
        meaning "未上送的交易留在磁盘上，下次启动后继续。" "What is unsent stays on disk and goes on after the next start.";
    /// The daemon could not start or had to end.
    DaemonFailed "daemon-failed" 0x86ac9cf11b374054aad8f0b05614c2f9 OWN
        title   "smartposd 无法运行" "smartposd cannot run"
        meaning "systemd 会再次启动它。原因在 POS_EVIDENCE 里。" "systemd starts it again. The reason is in POS_EVIDENCE.";
    /// The last stop was none.
    UncleanStop "unclean-stop" 0x63c17a9500054292bf6839c6f5a37902 OWN
        title   "上次不是正常停止" "the last stop was no orderly one"
        meaning "断电、崩溃或被杀。未完成的交易正在核对，无需处理；经常发生时检查供电。" "A power cut, a crash or a kill. Open payments are settled by themselves; if it comes back, check the power.";
    /// Journal lines were dropped.
    LinesLost "lines-lost" 0xd34a76a679954746b6c50feabf491efc OWN
        title   "有日志行被丢弃" "journal lines were dropped"
        meaning "日志比程序慢。交易不受影响。" "The journal was slower than the daemon. No payment is affected.";
    /// Something of the daemon was slower than the rest.
    Overload "overload" 0x8ed9d324790a449e87aac3f783550c36 PROVOKED
        title   "有部件跟不上" "a part did not keep up"
        meaning "状态仍然可读，只有信号丢失。经常发生时请报告技术支持。" "The state stays readable, only signals are lost. If it comes back, tell support.";
    /// The terminal's state or its cause changed.
    TerminalState "terminal-state" 0xd98c1d2bf6624b28837ab9a9475ace84 OWN
        title   "终端状态变为 @POS_STATE@" "the terminal is @POS_STATE@"
        meaning "ready 可以收款；其他状态的原因在 POS_CAUSE。" "ready takes payments; for any other state POS_CAUSE says why.";
    /// Working keys came with a sign-in.
    SignedIn "signed-in" 0x023eb62e6ff14eb1ada58f29c99f88cd OWN
        title   "已向收单机构签到" "signed in with the acquirer"
        meaning "工作密钥已更新。" "The working keys are new.";
    /// The working keys are gone.
    SignedOut "signed-out" 0x96dc31c28f4445208d3dc315faa089cb OWN
        title   "已签退" "signed out"
        meaning "没有工作密钥；收款需要重新签到。" "There are no working keys; the next payment needs a sign-in.";
    /// An operator signed in.
    OperatorIn "operator-in" 0xc3eed7408b9849b8a43a02337b8555c2 OWN
        title   "操作员签到" "an operator signed in"
        meaning "无需处理。" "Nothing to do.";
    /// An operator signed out.
    OperatorOut "operator-out" 0x044517b4f0a249418dae37367da819b5 OWN
        title   "操作员签退" "the operator signed out"
        meaning "需要操作员的终端此时不收款。" "Where an operator is required, no payment is taken now.";
    /// A payment was started.
    PaymentBegan "payment-began" 0x0053eaae780f43a98ab18b955f549480 PAYMENTS
        title   "付款开始：@POS_TXN@" "payment @POS_TXN@ has begun"
        meaning "journalctl POS_TXN=交易码 显示一笔付款的全部记录。" "journalctl POS_TXN=CODE shows everything about one payment.";
    /// A payment moved on.
    PaymentState "payment-state" 0x254b8698fe924ddba0fcab1f7e8f4f79 PAYMENTS
        title   "付款 @POS_TXN@：@POS_STATE@" "payment @POS_TXN@ is @POS_STATE@"
        meaning "无需处理。" "Nothing to do.";
    /// A payment ended.
    PaymentEnded "payment-ended" 0x1c39666b792e41589faf10789143e8d0 PAYMENTS
        title   "付款 @POS_TXN@ 结束：@POS_STATE@" "payment @POS_TXN@ ended: @POS_STATE@"
        meaning "approved 已扣款；declined、cancelled 未扣款；unknown 正在冲正，请勿重复收款。" "approved: charged. declined, cancelled: not charged. unknown: being reversed, do not charge again.";
    /// A reversal is on its way.
    ReversalOpened "reversal-opened" 0xd94da66409b640c099e1fc218418a091 PAYMENTS
        title   "付款 @POS_TXN@ 正在冲正" "payment @POS_TXN@ is being reversed"
        meaning "没有有效应答。主机确认之前不做下一笔联机付款。" "No valid answer came. No other payment goes to the host before it is acknowledged.";
    /// The host has acknowledged a reversal.
    ReversalDone "reversal-done" 0xca81e5155e94430a8ccffa1873f8e9e0 PAYMENTS
        title   "付款 @POS_TXN@ 已冲正" "payment @POS_TXN@ was reversed"
        meaning "款项未扣或已退回，可以重新收款。" "Nothing was charged in the end; it may be charged anew.";
    /// Reversals have used up their tries.
    ReversalHeld "reversal-held" 0xc41964bf7ae744ffa02e2fc55b4f90cb OWN
        title   "冲正次数用尽，等待主管决定" "reversals have used up their tries: a supervisor decides"
        meaning "看 posctl queue list，问收单机构该笔是否入账，再用 posctl queue resolve。" "posctl queue list shows them; ask the acquirer whether it was charged, then posctl queue resolve.";
    /// A payment accepted offline is to be sent.
    QueueWaiting "queue-waiting" 0x932996bc7c2342e6a31e166b160a5411 PAYMENTS
        title   "有脱机付款等待上送" "payments accepted offline wait to be sent"
        meaning "联机后自动上送；posctl queue list 可查看。" "They are sent by themselves; posctl queue list shows them.";
    /// A payment accepted offline moved on.
    QueueMoved "queue-moved" 0xd24d69a9f00845bda336900d58ee84b3 PAYMENTS
        title   "脱机付款 @POS_TXN@：@POS_STATE@" "payment @POS_TXN@, accepted offline, is @POS_STATE@"
        meaning "accepted 收单机构已接受。" "accepted: the acquirer has it.";
    /// A payment accepted offline waits for a person.
    QueueHeld "queue-held" 0x2fe396b7a77b4673be1b59334e7e4100 PAYMENTS
        title   "脱机付款 @POS_TXN@ 已挂起，等待处理" "payment @POS_TXN@, accepted offline, is held for a person"
        meaning "看 posctl queue list，由主管用 posctl queue resolve 决定。" "posctl queue list shows it; a supervisor decides with posctl queue resolve.";
    /// Nothing is left to be sent.
    QueueDrained "queue-drained" 0x9a16dd7b73d1407286e55c51cab37d25 OWN
        title   "脱机付款已全部上送" "everything accepted offline has been sent"
        meaning "无需处理。" "Nothing to do.";
    /// No answer from the host.
    HostSilent "host-silent" 0x370e04d0b02a4d1ea21c28b21dfc538b PROVOKED
        title   "主机没有应答" "no answer from the host"
        meaning "会自动重试；同一原因只记一次。" "It is tried again by itself; the same cause is written once.";
    /// The host answers after failures.
    HostAnswers "host-answers" 0x5e1c55a87bc44ea5a2ea67dc37f9626b PROVOKED
        title   "主机恢复应答" "the host answers again"
        meaning "无需处理。" "Nothing to do.";
    /// Something on the line to the host that changes nothing.
    HostNotice "host-notice" 0x29d0072c50474395a3e75c706fd4b6dd PROVOKED
        title   "与主机的线路上有异常" "something odd on the line to the host"
        meaning "迟到、重复或别人的应答，或下一个地址。只有经常发生时才需要查看。" "A late, double or foreign answer, or the next address. Of interest only if it happens often.";
    /// A device's state or its cause changed.
    DeviceState "device-state" 0x614651572261411cbe09cc66345a0e0f PROVOKED
        title   "@POS_COMPONENT@ 状态变为 @POS_STATE@" "the @POS_COMPONENT@ is @POS_STATE@"
        meaning "absent 未接入，failed 故障；插好后自动恢复。" "absent: not there; failed: being brought back. It recovers by itself once it is plugged in.";
    /// Which device it is.
    DeviceFound "device-found" 0x913cc0fd84a34721a54a0cd3f571623f PROVOKED
        title   "找到 @POS_COMPONENT@" "the @POS_COMPONENT@ was found"
        meaning "无需处理。" "Nothing to do.";
    /// A measure against a mute device.
    DeviceRepair "device-repair" 0x53c3a7e81359416c8de4687f97d003e9 PROVOKED
        title   "正在恢复 @POS_COMPONENT@" "a measure to bring the @POS_COMPONENT@ back"
        meaning "是否有效看随后的状态。" "Whether it helped, its next state says.";
    /// A part does not do its work.
    FaultNoticed "fault-noticed" 0x574f600542004dcfb480ace51358839b PROVOKED
        title   "部件故障：@POS_CAUSE@" "a part does not work: @POS_CAUSE@"
        meaning "守护进程正在自行恢复；过程看 posctl heal log。" "The daemon is mending it by itself; posctl heal log shows how.";
    /// A fault has stood long enough that a person has to act.
    FaultStands "fault-stands" 0xe359b77f2e98477588da2430d1b9c421 PROVOKED
        title   "故障 @POS_CAUSE@ 需要人工处理" "the fault @POS_CAUSE@ needs a person"
        meaning "打电话时报出行中的短码，对方用 posctl decode-report 读取。" "On the phone, read out the short code of the line: posctl decode-report tells the rest.";
    /// A measure of the ladder is taken or put off.
    Measure "measure" 0x9feb673458e942abbcedcc5508cee388 PROVOKED
        title   "自愈措施：@POS_STATE@" "a measure to mend a part: @POS_STATE@"
        meaning "从轻到重依次采取，付款中和有未落盘的数据时不采取。是否有效看 posctl heal log。" "From mild to strong, never in a payment or with money not on disk. posctl heal log says whether it helped.";
    /// A part works again.
    Mended "mended" 0x7929a4d3b49c4d94b4001b91a29441c3 PROVOKED
        title   "部件恢复正常" "a part works again"
        meaning "POS_STATE 是起作用的措施，POS_CAUSE 是原来的故障。无需处理。" "POS_STATE is what helped, POS_CAUSE what was wrong. Nothing to do.";
    /// Into safe mode or out of it.
    SafeMode "safe-mode" 0x3c21b04ff7304f4f884630c3d56db604 OWN
        title   "安全模式" "safe mode"
        meaning "接口、诊断和未上送交易仍可读，不收款。原因消除后运行 posctl heal leave-safe-mode。" "The API, the diagnosis and what is unsent can be read; no payment is taken. Once the reason is gone: posctl heal leave-safe-mode.";
    /// A card was not read.
    CardNotRead "card-not-read" 0x612fedc0d87845578edc98567a200c66 PROVOKED
        title   "卡未读出：@POS_STATE@" "a card was not read: @POS_STATE@"
        meaning "提示顾客重新挥卡。经常发生时清洁读卡器。" "The customer is asked again. If it happens often, clean the reader.";
    /// A code was scanned.
    CodeScanned "code-scanned" 0x610987266ffdbbeeac14621c79c672af PROVOKED
        title   "扫码：@POS_STATE@" "a code was scanned: @POS_STATE@"
        meaning "码的内容从不记录。refused 操作员码无效；no-payment-waits 没有等待扫码的付款；damaged 请再扫一次。" "What the code says is never written down. refused: an operator code that is not valid; no-payment-waits: a customer's code came too early; damaged: scan it again.";
    /// What the scanner sent was no code.
    NoCode "no-code" 0xd2e63dbb70f481c49370d16d886b2f52 PROVOKED
        title   "扫码枪发来的不是码" "what the scanner sent was no code"
        meaning "经常发生时核对 scanner.path、scanner.baud 和线；二进制码不被接受。" "If it happens often, check scanner.path, scanner.baud and the cable; binary codes are not taken.";
    /// A person was told something.
    Prompted "prompted" 0xbd313c875b994f0a99ad1684b9aeaafe PAYMENTS
        title   "提示：@POS_STATE@" "prompt: @POS_STATE@"
        meaning "无需处理。" "Nothing to do.";
    /// A component of the master key was entered.
    KeyComponent "key-component" 0xac37b9eb646649c699c9bfe78d8694ea PROVOKED
        title   "主密钥分量" "a component of the master key"
        meaning "两名保管人各输入一个分量。" "Two custodians enter one each.";
    /// A master key was loaded.
    KeysLoaded "keys-loaded" 0xa5ff1238fe9b4f289378fa939a40ded7 OWN
        title   "主密钥已灌装" "a master key was loaded"
        meaning "请与收单机构核对校验值。" "Compare its check value with the acquirer's.";
    /// The master key is gone.
    KeysErased "keys-erased" 0x14d10c65d43b41aaae92893ec34416e0 OWN
        title   "主密钥已清除" "the master key was erased"
        meaning "重新灌装之前不能签到。" "There is no sign-in until one is loaded.";
    /// Keys could not be used.
    KeyTrouble "key-trouble" 0xaa9b03b38d1e489c8b34ec222fe8fdc8 OWN
        title   "密钥无法使用" "keys could not be used"
        meaning "运行 posctl sign-in；仍不行则联系技术支持。" "posctl sign-in; if it stays so, call support.";
    /// The disk refuses.
    StorageTrouble "storage-trouble" 0x256d5a0dc06641798fe0ae64b428cb4f OWN
        title   "存储故障" "storage does not work"
        meaning "写盘成功之前不收款；已确认的交易没有丢失。" "No payment is taken until a write succeeds; nothing confirmed is lost.";
    /// The tamper input says something else.
    Tamper "tamper" 0x7203b599fb494ff7ae3a70b3a1f70718 OWN
        title   "防拆输入变化" "The tamper input has changed"
        meaning "机壳打开时密钥已被擦除；见 posctl status。" "When the case is opened the keys are erased; see posctl status.";
    /// The disk works again.
    StorageBack "storage-back" 0xf4f695d7d202456c926ce73f48114c90 OWN
        title   "存储恢复正常" "storage works again"
        meaning "无需处理。" "Nothing to do.";
    /// The books are not whole.
    BooksBroken "books-broken" 0x6cc7ae006bb2424096edc31e06c8ca47 OWN
        title   "账目日志不完整" "the journal of payments is not whole"
        meaning "不要删除任何文件，联系技术支持。" "Delete nothing and call support.";
    /// A backup is made, or was not.
    Backup "backup" 0xdffedb17d346452abe29ecf107909814 PROVOKED
        title   "备份" "a backup"
        meaning "结果由 posctl backup 说明。" "posctl backup says how it went.";
    /// A capture of the wires begins or ends.
    Capture "capture" 0xa7ac20264afd4752b9cfe0f3c666e2e3 PROVOKED
        title   "线路录制" "a capture of the wires"
        meaning "内容已脱敏，到时自动停止。无需处理。" "It is redacted and ends by itself. Nothing to do.";
    /// The host or a device asks for maintenance.
    Maintenance "maintenance" 0x400cec3d53f74788b4f7587d1c66bce4 OWN
        title   "维护：@POS_STATE@" "maintenance: @POS_STATE@"
        meaning "照常收款；方便时处理。依据和办法看 posctl maintenance。" "Payments go on; see to it when convenient. posctl maintenance shows the numbers and what to do.";
    /// Power or heat.
    Power "power" 0xad63a77a06474b7da7d09a081690aab0 OWN
        title   "供电或温度" "power or heat"
        meaning "供电不足会使读卡器掉线和存储损坏。" "A weak supply makes readers drop out and spoils storage.";
    /// The bus or polkit does not do its part.
    BusTrouble "bus-trouble" 0x0dc8ffb0ced24370a25fa186dccda013 PROVOKED
        title   "总线故障" "trouble with the bus"
        meaning "收银软件可能收不到变化。看 systemctl status dbus polkit。" "Apps may miss changes. See systemctl status dbus polkit.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::diagnose::catalogue::entry;
    use crate::domain::cause::Cause;

    #[test]
    fn every_event_and_every_cause_has_an_id_of_its_own() {
        let mut ids: BTreeSet<_> = JournalEvent::ALL.iter().map(|event| event.entry().id).collect();
        ids.extend(Cause::ALL.iter().map(|cause| entry(*cause).id));
        assert_eq!(ids.len(), JournalEvent::ALL.len() + Cause::ALL.len());
    }

    #[test]
    fn every_event_speaks_both_languages_and_is_limited() {
        for event in JournalEvent::ALL {
            let EventEntry { per_minute, title, meaning, .. } = event.entry();
            for text in [title, meaning] {
                assert!(!text.zh.is_ascii() && text.en.is_ascii() && text.en.len() > 7, "{event}: {text:?}");
            }
            assert!((1..=PAYMENTS).contains(&per_minute), "{event}");
        }
    }
}
