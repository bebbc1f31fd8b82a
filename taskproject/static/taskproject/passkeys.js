'use strict';
// Asks the browser for a passkey, or to make one, and sends it with the form that carries the options.
document.addEventListener('DOMContentLoaded', () => {
    for (const form of document.querySelectorAll('form[data-passkey]')) {
        const field = form.querySelector('input[name$=credential]');
        form.hidden = !window.PublicKeyCredential?.parseCreationOptionsFromJSON;
        form.addEventListener('submit', async event => {
            if (!form.dataset.passkey) {
                return;
            }
            event.preventDefault();
            const {publicKey} = JSON.parse(form.dataset.passkey);
            try {
                const credential = await (publicKey.user
                    ? navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)})
                    : navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey)}));
                field.value = JSON.stringify(credential.toJSON());
                form.dataset.passkey = '';
                form.requestSubmit();
            } catch {
                form.querySelector('[role=alert]').textContent = 'The browser gave no passkey. Try again.';
            }
        });
    }
});
