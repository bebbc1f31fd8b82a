'use strict';
// Swagger UI has a second heading of the page, links within buttons, and buttons without a
// name. What is set here stays, because it sets only what it changes.
{
    const mend = () => {
        document.querySelector('#swagger-ui h1')?.setAttribute('aria-level', '2');
        for (const link of document.querySelectorAll('.opblock-summary-control a[href]')) {
            link.removeAttribute('href');
        }
        for (const button of document.querySelectorAll('.copy-to-clipboard button')) {
            button.setAttribute('aria-label', 'Copy');
        }
    };
    const page = document.querySelector('#swagger-ui');
    new MutationObserver(mend).observe(page, {childList: true, subtree: true});
}
