// A docs site of one page, built as LiteLLM's own is: Docusaurus 3.8 with Rspack; a broken link ends the build.
import type {Config, Plugin} from '@docusaurus/types';

// COMPAT_MATRIX names the matrix to show instead of the sample under src/data.
function newestMatrix(): Plugin {
  const path = process.env.COMPAT_MATRIX;
  const alias = path ? {'@site/src/data/compatibility-matrix.json': path} : {};
  // Before Docusaurus' own alias of @site, which would be taken first.
  return {name: 'newest-matrix', configureWebpack: () => ({mergeStrategy: {'resolve.alias': 'prepend'}, resolve: {alias}})};
}

const config: Config = {
  title: 'Claude Code through LiteLLM',
  url: 'http://127.0.0.1',
  baseUrl: '/',
  headTags: [{tagName: 'link', attributes: {rel: 'icon', href: 'data:,'}}],
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  onBrokenMarkdownLinks: 'throw',
  future: {
    experimental_faster: {
      swcJsLoader: true,
      swcJsMinimizer: true,
      swcHtmlMinimizer: true,
      lightningCssMinimizer: true,
      rspackBundler: true,
      mdxCrossCompilerCache: true,
    },
  },
  plugins: ['@docusaurus/plugin-content-docs', '@docusaurus/plugin-content-pages', newestMatrix],
  themes: [['@docusaurus/theme-classic', {customCss: './src/css/site.css'}]],
  themeConfig: {
    colorMode: {respectPrefersColorScheme: true},
    navbar: {
      title: 'Claude Code through LiteLLM',
      items: [{to: '/docs/tutorials/claude-code-compatibility', label: 'Compatibility', position: 'left'}],
    },
  },
};

export default config;
