'use strict';
// On the page of a row, links to the rows before and after it in the list that was shown last.
document.addEventListener('DOMContentLoaded', () => {
    const links = document.querySelectorAll('#result_list :is(td, th) > a[href*="/change/"]');
    const row = location.pathname.match(/^(.*\/)[0-9]+\/change\/$/);
    if (document.getElementById('result_list')) {
        const rows = new Map(Array.from(links, link => [link.pathname, link]));
        const shown = Array.from(rows.values(), link => [link.pathname, link.href]);
        sessionStorage.setItem(`rows ${location.pathname}`, JSON.stringify(shown));
    } else if (row) {
        const shown = JSON.parse(sessionStorage.getItem(`rows ${row[1]}`) || '[]');
        const place = shown.findIndex(([path]) => path === location.pathname);
        const heading = document.querySelector('#content h1');
        const nav = document.createElement('nav');
        nav.className = 'button-row neighbours';
        nav.setAttribute('aria-label', 'The list');
        for (const [step, word] of [[-1, '‹ Previous'], [1, 'Next ›']]) {
            const found = place >= 0 && shown[place + step];
            if (found) {
                const shape = {className: 'button plain', href: found[1], rel: step < 0 ? 'prev' : 'next', textContent: word};
                nav.append(Object.assign(document.createElement('a'), shape));
            }
        }
        if (heading && nav.children.length) {
            heading.after(nav);
        }
    }
});
