//! S: the program, its data, its parameters, the programs that use it.

use super::{CARD_NOT_NOW, WAIT, entries};

entries! {
    S01 0x33306f779e7d4193b0af4e67fcfb263c Support
        title      "服务反复退出" "the daemon restarts again and again"
        evidence   "短时间内多次非正常启动" "it was started too often within a short time without having been stopped"
        action     "进入安全模式：只有接口和诊断，不收款" "safe mode: interface and diagnosis only, no payments"
        remedy     "联系技术支持；看日志 journalctl -u smartposd -p err" "call support; see the journal: journalctl -u smartposd -p err"
        cashier    "请联系技术支持；不要反复断电" "call support; do not switch it off and on again and again"
        technician "看第一次退出前的日志；回退最近的改动" "read the journal before the first end; undo the last change"
        customer   CARD_NOT_NOW;

    S02 0xaf6c84b6f4ad41cc96c61253d3d5aebe Support
        title      "数据库损坏" "the database is damaged"
        evidence   "数据库或账目日志的完整性检查失败" "the integrity check of the database or of its journal failed"
        action     "不删除任何东西，不收款；保留文件" "deletes nothing, takes no payment and keeps the file"
        remedy     "不要删除任何文件，联系技术支持" "do not delete anything; call support"
        cashier    "请停止收款并联系技术支持" "stop taking payments and call support"
        technician "先复制 pos.db 和 pos.db-wal，再用 smartposd --restore 恢复备份" "copy pos.db and pos.db-wal away first, then bring a backup back with smartposd --restore"
        customer   CARD_NOT_NOW;

    S03 0x2609ba8595ed4bad89f3de1c32a99b4a Technician
        title      "程序需更新" "the program is too old for the acquirer"
        evidence   "主机在报文头里要求更新程序（请求6）" "the host asks for newer software in the header (request 6)"
        action     "记录通知，照常收款" "raises a notice and goes on"
        remedy     "更新 smartposd" "update smartposd"
        cashier    "可以继续收款；请通知技术人员" "payments go on; tell the technician"
        technician "apt-get update && apt-get install smartposd；先看 posctl queue guard" "apt-get update && apt-get install smartposd; posctl queue guard first"
        customer   WAIT;

    S04 0x22c0c34af7374a4bb1184b5cca612e99 Technician
        title      "参数需更新" "the parameters are outdated"
        evidence   "主机在报文头里要求下载参数（请求1、4、5）" "the host asks for a download in the header (request 1, 4 or 5)"
        action     "记录通知，照常收款；参数在收单配置里，由人更新" "raises a notice and goes on; the parameters are in the acquirer profile, which a person updates"
        remedy     "向收单机构要新的收单配置，安装后重启服务" "get the new profile from the acquirer, install it and restart the service"
        cashier    "可以继续收款；请通知技术人员" "payments go on; tell the technician"
        technician "更新 /etc/smartposd/profiles，运行 posctl config check，再重启" "update /etc/smartposd/profiles, run posctl config check, then restart"
        customer   WAIT;

    S05 0xfd6c603850d044658891d0c9962364cf Support
        title      "收银软件版本不兼容" "the app uses an unsupported interface version"
        evidence   "软件要的接口或成员不在总线上" "the app asks for an interface or a member that is not on the bus"
        action     "明确报错；支持的版本在 Manager.Version 和 Features" "answers with a clear error; Manager.Version and Features say what is supported"
        remedy     "更新收银软件，或一起更新 smartposd" "update the app, or smartposd with it"
        cashier    "请联系收银软件的技术支持" "call the support of your app"
        technician "比较软件要求与 busctl introspect 的结果" "compare what the app wants with busctl introspect"
        customer   CARD_NOT_NOW;

    S06 0x01de85edc14448ecb76f6ec9981601c9 Support
        title      "报文格式错误" "the host calls our message malformed"
        evidence   "应答码30，或主机的应答无法解析" "response 30, or an answer of the host that cannot be read"
        action     "不再重发同一报文；证据里只有域号，没有内容" "does not send the same message again; the evidence names fields, never values"
        remedy     "检查收单配置 posctl config check，联系技术支持" "check the acquirer's profile with posctl config check, and call support"
        cashier    "请联系技术支持；可让顾客换方式付款" "call support; let the customer pay another way"
        technician "与收单机构核对报文规范和域表" "compare the message specification with the acquirer's"
        customer   CARD_NOT_NOW;
}
