import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme-without-fonts";
import { defineAsyncComponent } from "vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    // Loaded where it is shown: it brings the engine.
    app.component(
      "TryResolution",
      defineAsyncComponent(() => import("./TryResolution.vue")),
    );
  },
} satisfies Theme;
