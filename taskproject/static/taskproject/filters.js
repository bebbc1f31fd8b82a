'use strict';
// Collapses the filters of a list on a phone, where they are above the rows, except those that
// the user has opened. It runs before the admin's own filters.js, which remembers these.
if (window.matchMedia('(max-width: 767px)').matches) {
    const known = JSON.parse(sessionStorage.getItem('django.admin.filtersState') || '{}');
    for (const filter of document.querySelectorAll('#changelist-filter details')) {
        filter.open = known[filter.dataset.filterTitle] ?? false;
    }
}
