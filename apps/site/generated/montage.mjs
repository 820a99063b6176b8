import sharp from "sharp";
const [out, height, ...files] = process.argv.slice(2);
const h = Number(height); let x = 0; const parts = [];
for (const f of files) { const m = await sharp(f).metadata(); const w = m.width; const crop = Math.min(m.height, h); const b = await sharp(f).extract({ left: 0, top: 0, width: w, height: crop }).png().toBuffer(); parts.push({ input: b, left: x, top: 0 }); x += w + 10; }
await sharp({ create: { width: x, height: h, channels: 3, background: "#888" } }).composite(parts).png({ palette: true }).toFile(out);
