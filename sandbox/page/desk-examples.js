// Ready answers with more than words, for agents who want to see what becomes of them in Teams.

import { t } from './i18n.js';
import { createPopup } from './popup.js';

const quick = (key) => ({ quick_reply_button: { label: t(key) } });
const text = (content) => ({ text: { content } });

const card = (name) => ({
  name,
  parts: [{
    template_content: {
      type: 'carousel_card_default',
      sections: [
        { name: 'title', parts: [text(t(`example.${name}`))] },
        { name: 'description', parts: [text(t(`example.${name}.help`))] },
        { name: 'callback', parts: [{ callback: { label: t('example.take'), payload: name } }] },
      ],
    },
  }],
});

const dropdown = () => ({
  template_content: { type: 'quick_reply_dropdown', sections: [{ name: 'options', parts: [1, 2, 3, 4].map((floor) => ({ quick_reply_button: { label: t('example.floor', { floor }) } })) }] },
});

/** By name: what goes behind the words. */
const EXAMPLES = {
  buttons: () => ({ reply_parts: [{ collection: { sub_parts: [quick('example.yes'), quick('example.no')] } }] }),
  dropdown: () => ({ reply_parts: [dropdown()] }),
  carousel: () => ({ more: [{ template_content: { type: 'carousel', sections: [card('laptop'), card('monitor')] } }] }),
  link: () => ({ more: [{ url_button: { label: t('example.guide'), url: 'https://help.fenn.example/printers' } }] }),
  formatted: () => ({}),
};

/** `send(parts, reply_parts)`; `typed()` gives (and takes) what the agent has written, to be used for the words. */
export function exampleMenu({ send, typed, person }) {
  const items = () => Object.keys(EXAMPLES).map((name) => ({
    text: t(`example.${name}.title`),
    hint: t(`example.${name}.hint`),
    testid: `example-${name}`,
    run: () => {
      const { more = [], reply_parts: replies } = EXAMPLES[name]();
      send([text(typed() || t(`example.${name}.text`, { person: person() })), ...more], replies);
    },
  }));
  return createPopup({ testid: 'fc-examples', glyph: 'spark', items });
}
