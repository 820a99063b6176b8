/** How many models get a colour of their own; later ones start over. */
export const modelColours = 8;

/** Colour of a model by its place in the report; the baseline, place 0, is grey. */
export const modelColour = (place: number): string => `var(--m${place % modelColours})`;

/**
 * The whole style sheet: system fonts, one column, light and dark by the reader's setting, print in
 * light.
 */
export const style = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1e23;--soft:#5b6470;--line:#dfe3e8;--wash:#f5f7f9;--good:#0b7a4b;--bad:#b3261e;
--m0:#7b8490;--m1:#1f6feb;--m2:#d9730d;--m3:#0f9d74;--m4:#a347ba;--m5:#c2314f;--m6:#8a6d00;--m7:#0b8fa8;--genuine:#1f6feb;--impostor:#d9730d;--p0:#1f6feb;--p1:#d9730d;--p2:#0f9d74;--p3:#a347ba;--p4:#c2314f;--p5:#8a6d00;--p6:#0b8fa8;--p7:#6b7280}
@media screen and (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e7eaee;--soft:#9aa4b1;--line:#2c323a;--wash:#1b1f25;--good:#4fcf96;--bad:#ff8a80;
--m0:#98a2ae;--m1:#6aa8ff;--m2:#f5a04c;--m3:#45cfa3;--m4:#d48be6;--m5:#ff8199;--m6:#d6b84a;--m7:#4fc8de;--genuine:#6aa8ff;--impostor:#f5a04c;--p0:#6aa8ff;--p1:#f5a04c;--p2:#45cfa3;--p3:#d48be6;--p4:#ff8199;--p5:#d6b84a;--p6:#4fc8de;--p7:#a8b0bb}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:56px 28px 80px}
h1{font-size:15px;font-weight:600;color:var(--soft);margin:0 0 14px;letter-spacing:.01em;overflow-wrap:anywhere}
.lead{font-size:27px;line-height:1.32;font-weight:600;letter-spacing:-.012em;margin:0 0 14px;max-width:40em;text-wrap:pretty;overflow-wrap:anywhere}
.sub{color:var(--soft);max-width:56em;margin:0 0 6px}
h2{font-size:20px;letter-spacing:-.01em;margin:56px 0 6px;padding-top:18px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:26px 0 4px}
p{max-width:46em;margin:0 0 12px;overflow-wrap:anywhere}
a{color:inherit;text-underline-offset:3px;text-decoration-color:var(--line)}a:hover{text-decoration-color:currentColor}
nav ol{display:flex;flex-wrap:wrap;gap:6px 18px;list-style:none;margin:26px 0 0;padding:12px 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line);font-size:14px;color:var(--soft)}
nav a{text-decoration:none}nav a:hover{color:var(--ink)}
section{scroll-margin-top:8px}section>h2{margin-top:46px;padding-top:0;border-top:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:14px;margin:24px 0 20px}
.tile{background:var(--wash);border:1px solid var(--line);border-radius:12px;padding:16px 18px 14px;display:flex;flex-direction:column}
.tile .what{font-size:13.5px;line-height:1.35;color:var(--soft);min-height:2.7em}.tile .big{font-size:36px;line-height:1.15;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums;margin:4px 0 2px}
.tile .big span{font-size:19px;font-weight:500;color:var(--soft);margin-left:4px}.tile .from{font-size:14px;color:var(--soft);margin-bottom:10px}
.chip{align-self:flex-start;margin-top:auto;font-size:12.5px;font-weight:600;padding:3px 10px;border-radius:99px;border:1px solid currentColor}.chip.even{color:var(--soft);font-weight:500}
.verdict{font-size:18px;max-width:46em;border-left:4px solid var(--soft);padding:2px 0 2px 14px;margin:18px 0 0}.verdict.good{border-color:var(--good);color:inherit;font-weight:400}.verdict.good strong{color:var(--good)}.verdict.bad{border-color:var(--bad);color:inherit;font-weight:400}.verdict.bad strong{color:var(--bad)}
.picture h2,.next h2{margin-top:34px}
.probes{list-style:none;margin:14px 0 10px;padding:0}.probes>li{display:grid;grid-template-columns:minmax(84px,112px) 1fr 1fr;gap:8px 28px;padding:12px 0;border-top:1px solid var(--line);align-items:start;break-inside:avoid}
.probe img,.near img{display:block;width:100%;height:auto;aspect-ratio:1;border-radius:6px;background:var(--wash)}.probe{margin-top:25px}.probe figcaption{font-size:12px;line-height:1.3;margin-top:4px}
.near ol{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:8px;list-style:none;margin:0;padding:0}.near li{font-size:12.5px;line-height:1.4;font-variant-numeric:tabular-nums;color:var(--soft)}
.near li>span{white-space:nowrap}.near li.right{color:var(--ink);font-weight:600}.near li.right img{outline:3px solid var(--good);outline-offset:-3px}.tick{color:var(--good)}
.near-head{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 10px;margin:0 0 4px;font-size:13px;line-height:21px;color:var(--soft);max-width:none}.near-head b{font-weight:600}.near-head span{overflow-wrap:anywhere}
.next ol{margin:6px 0 30px;padding-left:1.3em;max-width:52em}.next li{margin:0 0 7px;overflow-wrap:anywhere}code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--wash);border-radius:4px;padding:1px 5px}
.pairs{display:flex;flex-wrap:wrap;gap:18px 20px;margin:12px 0}.pair{font-size:13px}.two-faces{display:flex;gap:3px}
.pair img{display:block;width:88px;height:88px;background:var(--wash)}.two-faces>div:first-child img{border-radius:8px 0 0 8px}.two-faces>div:last-child img{border-radius:0 8px 8px 0}
.pair .cap{color:var(--soft);font-size:11.5px;max-width:88px;overflow-wrap:anywhere;line-height:1.3;margin-top:3px}.pair .score{font-weight:600;font-variant-numeric:tabular-nums;margin-top:2px}.pair .score small{font-weight:400;color:var(--soft)}
.note,figcaption{color:var(--soft);font-size:14px}
.scroll{overflow-x:auto;margin:16px 0}
table{border-collapse:collapse;font-size:14.5px;font-variant-numeric:tabular-nums;min-width:min(100%,36em)}
th,td{padding:6px 0 6px 14px;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
thead th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--soft)}
thead th span{display:inline-block;max-width:16em;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom}
tbody th{font-weight:400}
tr.group th{padding-top:20px;font-weight:600;border-bottom-color:var(--line)}
td small{display:block;color:var(--soft);font-size:12px;line-height:1.3}
details{margin:14px 0}summary{cursor:pointer;color:var(--soft);font-size:14.5px}summary:hover{color:var(--ink)}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.options td{text-align:left;padding-left:0;white-space:normal;overflow-wrap:anywhere}.options th{text-align:left;color:var(--soft);width:15em}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;margin:12px 0 4px;font-size:14px;padding:0;list-style:none}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px;vertical-align:-1px}
.legend i.circle{border-radius:50%}.legend i.triangle-up{border-radius:0;clip-path:polygon(50% 0,100% 100%,0 100%)}.legend i.diamond{border-radius:0;transform:rotate(45deg) scale(.8)}
.panels{display:grid;grid-template-columns:minmax(0,1fr);gap:22px 24px;margin:14px 0}
.across-2,.panels.two{grid-template-columns:repeat(2,minmax(0,1fr))}.across-3{grid-template-columns:repeat(3,minmax(0,1fr))}.across-4{grid-template-columns:repeat(4,minmax(0,1fr))}
figure{margin:0}figure svg{width:100%;height:auto;display:block}.for-phone{display:none}
.figure-title{font-size:14px;margin:0 0 4px;font-weight:600;overflow-wrap:anywhere}
.heat svg path{shape-rendering:crispEdges}
.faces{display:grid;grid-template-columns:minmax(4.5em,11em) repeat(var(--n),minmax(72px,128px));gap:10px 12px;align-items:center;overflow-x:auto;margin:16px 0;font-size:13px}
.faces img{display:block;width:100%;height:auto;aspect-ratio:1;border-radius:6px;background:var(--wash)}
.faces .cap{color:var(--soft);font-size:12px;line-height:1.35;margin-top:3px}
.faces .who{font-weight:600;max-width:11em;overflow-wrap:anywhere;padding-right:8px}
footer{margin-top:56px;border-top:1px solid var(--line);padding-top:14px;color:var(--soft);font-size:13px}
@media screen and (max-width:1000px){.across-3,.across-4{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media screen and (max-width:760px){.panels.panels{grid-template-columns:1fr}}
@media screen and (max-width:760px){.probes>li{grid-template-columns:64px 1fr;gap:8px 12px}.probe{grid-row:1/3}.near ol{gap:5px}.near li{font-size:11.5px}.near li>span{letter-spacing:-.02em}}
@media screen and (max-width:600px){main{padding:28px 16px 48px}.lead{font-size:22px}.for-desk{display:none}.for-phone{display:block}}
@media print{.probes>li{grid-template-columns:70px 1fr 1fr;gap:6px 14px;padding:8px 0}.probe{margin-top:22px}.near ol{gap:4px}.near li{font-size:10px}.across-3,.across-4{grid-template-columns:repeat(2,minmax(0,1fr))}.lead{font-size:20px}.verdict{font-size:14px}main{max-width:none;padding:0}nav{display:none}figure,tr,.tile,.pair,.next li{break-inside:avoid}h2,h3{break-after:avoid}details::details-content{content-visibility:visible;display:block;height:auto}summary{list-style:none}body{font-size:12px}.tile .big{font-size:26px}}
`;
