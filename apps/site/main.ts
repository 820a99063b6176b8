/** Builds the site: `npm run docs`. */
import { buildSite } from "./build.ts";

await buildSite();
console.log("the site is in apps/site/dist; look at it: npx vitepress preview apps/site");
