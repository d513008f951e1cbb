//! N: the way to the acquirer's host.

use super::{CARD_NOT_NOW, SAFETY, WAIT, entries};

entries! {
    N01 0x7c187fe4758142688c926a1551a9b8f2 Technician
        title      "网线或Wi-Fi未连接" "no network carrier"
        evidence   "没有任何网络接口有载波，或Wi-Fi未关联" "no interface has a carrier, or Wi-Fi is not associated"
        action     "按2至60秒的间隔自动重试；允许时转为脱机收款" "tries again every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "检查网线、路由器电源、Wi-Fi或SIM卡" "plug in the network cable, or check the router's power, Wi-Fi or the SIM card"
        cashier    "网络没接上：请看网线和路由器的灯，接好后会自动恢复" "the network is not plugged in: look at the cable and the router's lamps; it recovers by itself"
        technician "看 ip link 是否 LOWER_UP；换网线、端口或Wi-Fi再试" "ip link shows whether LOWER_UP is there; try another cable, port or Wi-Fi"
        customer   CARD_NOT_NOW;

    N02 0x32721aedf28d48679a2a69bd3593accd Technician
        title      "未获得IP" "no network address or default route"
        evidence   "有载波，但没有地址或默认路由，或系统说网络不可达" "a carrier but no address or no default route, or the system says that the network is unreachable"
        action     "按2至60秒的间隔自动重试；允许时转为脱机收款" "tries again every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "重启路由器；仍不行则检查本机网络设置" "restart the router; if it stays so, check the network settings of this machine"
        cashier    "请重启路由器，等两分钟" "restart the router and wait two minutes"
        technician "看 ip addr、ip route：DHCP是否给了地址和默认路由" "ip addr and ip route: did DHCP give an address and a default route"
        customer   CARD_NOT_NOW;

    N03 0xda24833cfa3b46ed851a6956c1cd4a25 Technician
        title      "路由器无响应" "the router is silent"
        evidence   "有地址和默认路由，但网关不应答" "address and default route are there, but the gateway does not answer"
        action     "按2至60秒的间隔自动重试；允许时转为脱机收款" "tries again every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "重启路由器" "restart the router"
        cashier    "请重启路由器，等两分钟" "restart the router and wait two minutes"
        technician "看 ip neigh 里网关是否 FAILED；检查路由器、交换机和VLAN" "ip neigh shows whether the gateway is FAILED; check router, switch and VLAN"
        customer   CARD_NOT_NOW;

    N04 0xacd49d04f2dd45ea9fe5fc67793235b7 Technician
        title      "域名解析失败" "names do not resolve"
        evidence   "收单主机的域名解析不出地址" "the name of the acquirer's host gives no address"
        action     "按2至60秒的间隔自动重试下一个地址；允许时转为脱机收款" "tries the next address every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "检查本机的DNS设置" "check the DNS servers of this machine"
        cashier    "请重启路由器；仍不行请叫技术人员" "restart the router; if it stays so, call the technician"
        technician "看 /etc/resolv.conf；也可在收单配置里写IP地址" "look at /etc/resolv.conf; the acquirer profile may also give IP addresses"
        customer   CARD_NOT_NOW;

    N05 0x5077839d680b47ae93c7930f658a5993 Acquirer
        title      "收单主机不可达" "the acquirer cannot be reached"
        evidence   "每个收单地址都拒绝连接或超时，或TLS握手中断" "every acquirer address refuses, times out or breaks the TLS handshake off"
        action     "按2至60秒的间隔自动重试下一个地址；允许时转为脱机收款" "tries the next address every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "本店网络若正常，请联系收单机构" "if the shop's network works, call the acquirer"
        cashier    "银行方面连不上，不是本店的错；恢复后会自动签到" "the bank's side cannot be reached, it is not the shop's fault; it signs in by itself later"
        technician "核对收单配置的地址和端口；从同一网络试其他主机" "check addresses and ports in the acquirer profile; try another host from the same network"
        customer   CARD_NOT_NOW;

    N06 0xc9143bc8a3744e5d85228e1329b80e2f NetworkProvider
        title      "外网中断" "nothing outside answers"
        evidence   "网关应答，但收单主机和对照主机都连不上" "the gateway answers, but neither the acquirer nor the control host can be reached"
        action     "按2至60秒的间隔自动重试；允许时转为脱机收款" "tries again every 2 to 60 s; takes payments offline where the acquirer allows it"
        remedy     "联系宽带运营商" "call the internet provider"
        cashier    "外网断了：手机在同一Wi-Fi上也上不了网的话，请联系宽带运营商" "the internet is down: if a phone on the same Wi-Fi has none either, call the provider"
        technician "从路由器向外 traceroute；检查欠费和光猫" "traceroute outwards from the router; check the bill and the modem"
        customer   CARD_NOT_NOW;

    N07 0xa3e7dc0a16db4344ba8ad1ce711e2ce4 Technician
        title      "信号弱或不稳定" "weak or unsteady link"
        evidence   "丢包、往返时间或信号强度超出限度" "loss, round trip or signal strength beyond the limits"
        action     "继续联机，每笔按超时规则处理；不当作断网" "goes on online, each payment under the usual time limits; it does not count as down"
        remedy     "移动POS或路由器，或改用网线" "move the terminal or the router, or use a cable"
        cashier    "把POS移近路由器再试" "move the terminal closer to the router"
        technician "看 ip -s link 的错误计数和Wi-Fi信号；换信道或天线" "ip -s link shows errors; look at the Wi-Fi signal; change channel or antenna"
        customer   WAIT;

    N08 0xad3e7b9c91cc4cea9445fd8c02d0195c Technician
        title      "网络需要网页登录" "something else than the host answered, such as a web page"
        evidence   "该是主机的地方来了HTTP应答或无法识别的字节" "HTTP, or bytes that are no message, came where the host should be"
        action     "断开，什么都不发送；按2至60秒的间隔自动重试" "breaks the connection off and sends nothing; tries again every 2 to 60 s"
        remedy     "先在网络的登录页面登录，或换可靠网络" "log in to the network's web page, or use a reliable network"
        cashier    "这个网络要先在网页上登录；请用手机登录或换网络" "this network wants a log-in on a web page first; log in or use another network"
        technician "核对 tls.mode、端口和报文头格式；用 curl 看是谁在应答" "check tls.mode, port and header format; curl shows who answers"
        customer   CARD_NOT_NOW;

    N09 0x8898102fbefb4973bee26880d42f130c Technician
        title      "网络不安全：主机证书不对" "the network is not safe: the host's certificate is not the right one"
        evidence   "TLS证书不是指定的那张、已过期，或名称不符" "the TLS certificate is not the pinned one, has expired or is for another name"
        action     "拒绝连接，什么都不发送，不降级，也不转脱机；按间隔自动重试" "refuses the connection, sends nothing, never goes without TLS, nor offline; tries again later"
        remedy     "停止交易，换网络并报告收单机构" "stop taking cards, use another network and report it to the acquirer"
        cashier    "不要刷卡；请换网络，并马上报告" "take no cards; change the network and report it at once"
        technician "核对时钟、tls.pins、tls.ca 和 tls.name；先排除中间人再换证书" "check the clock, tls.pins, tls.ca and tls.name; rule a listener out before changing a pin"
        customer   SAFETY;

    N10 0xb65cc085607e41229c073e9dcb26a369 Acquirer
        title      "主机无应答（TPDU/报文头可能不符）" "connected, but the host says nothing"
        evidence   "请求已发出，从该地址从未收到过任何字节" "the request left, and never a byte has come from that address"
        action     "下次从下一个地址开始；已发出的付款按冲正规则处理" "begins at the next address next time; a payment that has left is reversed"
        remedy     "核对TPDU、报文头、终端号，再联系收单机构" "check TPDU, header and terminal id, then call the acquirer"
        cashier    "银行主机没有应答；请稍后再试" "the bank's host does not answer; try again later"
        technician "核对收单配置的 tpdu 和 header；运行 posctl diagnose 对比" "check tpdu and header of the acquirer profile; compare with posctl diagnose"
        customer   WAIT;
}
