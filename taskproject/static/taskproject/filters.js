'use strict';
// Collapses the filters of a list on a phone, where they are above the rows, until the
// user has opened or closed one of them (which the admin's own filters.js remembers).
{
    const phone = window.matchMedia('(max-width: 767px)').matches;

    document.addEventListener('DOMContentLoaded', () => {
        if (phone && !sessionStorage.getItem('django.admin.filtersState')) {
            for (const filter of document.querySelectorAll('#changelist-filter details')) {
                filter.open = false;
            }
        }
    });
}
